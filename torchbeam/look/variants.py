"""variants: one picture changed in many ways, and a network's scores of each, in batches.

Occlusion, insertion and deletion differ only in what they write into copies of the picture.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from torchbeam.errors import OutOfRoom, SettingError
from torchbeam.learn.precision import WIN
from torchbeam.learn.way import Way
from torchbeam.look.ranks import spearman
from torchbeam.look.subject import Subject, looking
from torchbeam.network.fold import folded

LAID = Way("fp32", channels_last=True)  # how convolutions are fastest in full precision, on CPUs and GPUs alike
BATCH = 64
# The most at a time on a CPU: more gain nothing there, and every page of larger maps is asked of the system anew (of
# ResNet-18 at 224 pixels a picture took 8.3 ms in bf16 in batches of 16, and 11.4 ms in batches of 49).
CPU_BATCH = 16
# A map of half precision is taken where its order is that of full precision, by Spearman's correlation.
LIKE = 0.95
HOPELESS = 2.0  # a precision that takes so many times as long for two pictures is not tried on more

T = TypeVar("T")
Write = Callable[[Tensor, Sequence[T]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Answering:
    """A network that only has to answer: a copy with its batch norms folded, laid out as `way` has it.

    x_1CHW: the picture that is changed. own: whether the network could be copied; where not, it is itself asked, in
    evaluation, and has its modes back after each batch.
    """

    network: nn.Module
    x_1CHW: Tensor
    way: Way
    own: bool

    def scores(self, variants: Sequence[T], write: Write[T]) -> NDArray[np.float32]:
        """The scores N x K of N variants, on the CPU. write: makes them of a batch of copies of the picture, N, C, H,
        W, in place."""
        quiet = torch.inference_mode() if self.own else torch.no_grad()
        with looking(self.network), quiet:
            batch_NCHW = self.way.laid(self.x_1CHW.repeat(len(variants), 1, 1, 1))
            write(batch_NCHW, variants)
            with self.way.autocast(batch_NCHW.device):
                scores_NK = self.network(batch_NCHW)
            return scores_NK.flatten(1).float().cpu().numpy()


def answering(subject: Subject, way: Way = LAID) -> Answering:
    """The subject's network, ready to answer in this way; the subject's own is not touched."""
    network: nn.Module = getattr(subject.network, "_orig_mod", subject.network)  # of one that was compiled
    try:
        copied = folded(network)
    except Exception:  # whatever a module raises that cannot be copied: locks, generators, tensors of a graph
        return Answering(network, subject.x_1CHW, way, own=False)
    for module in copied.modules():
        for name, weight in module.named_parameters(recurse=False):
            if weight.ndim == 4:  # a tensor of its own: what was not folded the copy shares with the network
                module.register_parameter(name, nn.Parameter(way.laid(weight.detach()), requires_grad=False))
    return Answering(copied, subject.x_1CHW, way, own=True)


def answers(
    ready: Answering, groups: Iterable[Sequence[T]], write: Write[T], batch_size: int = BATCH
) -> Iterator[tuple[Sequence[T], NDArray[np.float32]]]:
    """Variants with their scores N x K, batch by batch, in the order given; no batch reaches across two groups.
    batch_size: at most, and on a CPU at most CPU_BATCH.

    Where memory runs out the batch is halved, for the rest too. Raises SettingError for a batch that is none, OutOfRoom
    where not even one picture fits.
    """
    if batch_size < 1:
        raise SettingError(f"a batch of {batch_size} pictures is none", expected="1 or more")
    limit = min(batch_size, CPU_BATCH) if ready.x_1CHW.device.type == "cpu" else batch_size
    for group in groups:
        at = 0
        while at < len(group):
            part = group[at : at + limit]
            try:
                scores_NK = ready.scores(part, write)
            except (RuntimeError, MemoryError) as error:
                limit = _fewer(error, len(part))
                continue
            at += len(part)
            yield part, scores_NK


def faster_half(
    subject: Subject,
    sample: Sequence[T],
    write: Write[T],
    relevance: Callable[[NDArray[np.float32]], NDArray[np.floating]],
) -> bool:
    """Whether bf16 is at least a tenth faster here than fp32, on a sample, and orders it alike.

    relevance: scores N x K of the sample -> what a map would show of them, N; compared by Spearman's correlation.
    """
    exact = answering(subject)
    near = replace(exact, way=replace(LAID, precision="bf16"))
    with contextlib.suppress(RuntimeError, NotImplementedError):  # a device that cannot
        few = sample[:2]  # without instructions of its own for bf16 a CPU may take ten times as long
        for ready in (exact, near):
            _timed(ready, few, write)
        if _timed(near, few, write)[0] > HOPELESS * _timed(exact, few, write)[0]:
            return False
        (exact_seconds, expected), (near_seconds, found) = (_timed(each, sample, write) for each in (exact, near))
        alike = spearman(relevance(expected), relevance(found)) >= LIKE
        return alike and near_seconds * WIN <= exact_seconds
    return False


def _timed(ready: Answering, sample: Sequence[T], write: Write[T]) -> tuple[float, NDArray[np.float32]]:
    """(seconds, scores N x K)."""
    begun = time.perf_counter()
    scores_NK = np.concatenate([scores for _, scores in answers(ready, [sample], write)])
    return time.perf_counter() - begun, scores_NK


def _fewer(error: RuntimeError | MemoryError, pictures: int) -> int:
    """How many pictures to try where so many did not fit; any other error is raised as it is."""
    if not (isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error).lower()):
        raise error
    if pictures == 1:
        raise OutOfRoom(
            "out of memory with one picture at a time",
            got=(str(error).splitlines() or ["MemoryError"])[0],
            remedy="take a smaller picture, or another device",
        ) from error
    return pictures // 2
