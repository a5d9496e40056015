"""scorecard: whether a map of a picture shows what the network uses, by three tests that any map can fail.

Insertion and deletion (Petsiuk et al. 2018, RISE): the class must come soon where pixels are shown in the map's order,
and go soon where they are removed in it; beside it stand maps by chance. Randomised weights (Adebayo et al. 2018): made
again by a network that has learnt nothing, the map must be another.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import mean

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn

from torchbeam.errors import SettingError
from torchbeam.look.baselines import baseline as baseline_of
from torchbeam.look.look import Look
from torchbeam.look.overlay import FAINT, INK, STYLE
from torchbeam.look.ranks import spearman
from torchbeam.look.subject import DIGITS, Subject
from torchbeam.look.variants import BATCH, Answering, answering, answers
from torchbeam.network.modelfile import tensors_digest

STEPS = 8  # in which pixels are shown or removed, so many runs of the network for a curve
# Maps by chance, and how many of them may be above the map: another by chance has so few once in ten times.
RANDOM, ABOVE = 19, 1
MARGIN = 0.02  # how far a map must be above the mean of those by chance, as a share of the class's own probability
SAME = 0.5  # Spearman's correlation from which a map counts as the same, and not another

MakeMap = Callable[[Subject], NDArray[np.floating]]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A class's probability after each share of the pixels, 0 to 1."""

    shares_S: NDArray[np.float64]
    probabilities_S: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Under the curve, 0 to 1, by trapezoids."""
        return float(np.trapezoid(self.probabilities_S, self.shares_S))


@dataclass(frozen=True, slots=True, eq=False)
class Scorecard:
    """insertion, deletion: the map's curves; those by chance beside them. spearman: of the map and the one that
    randomised weights give; None where that was not tried."""

    insertion: Curve
    deletion: Curve
    random_insertion: tuple[Curve, ...]
    random_deletion: tuple[Curve, ...]
    spearman: float | None

    @property
    def gain(self) -> float:
        """The area of insertion less that of deletion, -1 to 1: large where the map's order is the network's."""
        return self.insertion.area - self.deletion.area

    @property
    def random_gain(self) -> float:
        """The same of maps by chance, their mean."""
        return mean(self._random_gains)

    @property
    def beaten(self) -> int:
        """How many maps by chance the map is above."""
        return sum(self.gain > gain for gain in self._random_gains)

    @property
    def better(self) -> bool:
        """Whether the map is above all maps by chance but one, and above their mean by a margin."""
        margin = MARGIN * float(self.insertion.probabilities_S[-1])
        return self.beaten >= len(self._random_gains) - ABOVE and self.gain > self.random_gain + margin

    @property
    def changed(self) -> bool | None:
        """Whether randomised weights give another map; None where that was not tried."""
        return None if self.spearman is None else self.spearman < SAME

    @property
    def passed(self) -> bool:
        """Whether no test was failed."""
        return self.better and self.changed is not False

    @property
    def verdict(self) -> str:
        """What was found, in a sentence without a full stop."""
        chance = mean(curve.area for curve in self.random_insertion), mean(curve.area for curve in self.random_deletion)
        areas = (
            f"insertion {self.insertion.area:.3f} against {chance[0]:.3f}, "
            f"deletion {self.deletion.area:.3f} against {chance[1]:.3f}"
        )
        told = f"{'better' if self.better else 'no better'} than a random map: {areas}, above {self.beaten} of {RANDOM}"
        if self.spearman is None:
            return told
        same = f"Spearman {self.spearman:.2f}"
        if self.changed:
            return f"{told}; another with randomised weights ({same})"
        return f"{told}; the same with randomised weights ({same}): it shows the picture, not what was learnt"

    @property
    def _random_gains(self) -> list[float]:
        pairs = zip(self.random_insertion, self.random_deletion, strict=True)
        return [inserted.area - deleted.area for inserted, deleted in pairs]


def scorecard(
    subject: Subject,
    made: Look | NDArray[np.floating],
    label: str | int | None = None,
    make_map: MakeMap | None = None,
    seed: int = 0,
    *,
    steps: int = STEPS,
    batch_size: int = BATCH,
) -> Scorecard:
    """Every test of a map of the subject's picture.

    made: numbers H x W, more where more speaks for the class; or a Look, whose array 'relevance', or else the first of
    that size, is taken. label: the class the map was made for; None for the one a Look tells, or the likeliest.
    make_map: makes the same kind of map for another subject; None to leave out the test by randomised weights. Maps by
    chance are as smooth as the map (`random_like`). Costs 40 x (steps - 1) + 4 runs of the network, and one make_map.

    Raises SettingError for a map of another size or with what is no number.
    """
    told = made.facts.get("label") if isinstance(made, Look) else None
    number = subject.label(told if label is None else label)
    map_HW = _checked(subject, _relevance(subject, made) if isinstance(made, Look) else made)
    remade = None if make_map is None else spearman(map_HW, _checked(subject, make_map(randomised(subject, seed))))
    others = [random_like(map_HW, seed + 1 + at) for at in range(RANDOM)]
    orders = [_order(each, seed) for each in (map_HW, *others)]
    ready = answering(subject)
    shown, *random_shown = _curves(ready, *_inserting(subject, "blur", seed), orders, number, steps, batch_size)
    removed, *random_removed = _curves(ready, *_deleting(subject, "grey", seed), orders, number, steps, batch_size)
    return Scorecard(shown, removed, tuple(random_shown), tuple(random_removed), remade)


def judged(look: Look, card: Scorecard) -> Look:
    """The look with what the scorecard found, in its verdict and at the end of its caption."""
    return replace(look, verdict=card.verdict, caption=f"{look.caption}; {card.verdict}")


def insertion(
    subject: Subject,
    map_HW: NDArray[np.floating],
    label: str | int | None = None,
    *,
    baseline: str = "blur",
    steps: int = STEPS,
    batch_size: int = BATCH,
    seed: int = 0,
) -> Curve:
    """The class's probability as pixels are put into a blurred picture (or another of baselines.py), those first where
    the map is most; a large area is good. Pixels that are alike for the map come in an order by chance, of `seed`.

    Raises SettingError as `scorecard` does, and for no steps.
    """
    pair, order = _inserting(subject, baseline, seed), _order(_checked(subject, map_HW), seed)
    return _curves(answering(subject), *pair, [order], subject.label(label), steps, batch_size)[0]


def deletion(
    subject: Subject,
    map_HW: NDArray[np.floating],
    label: str | int | None = None,
    *,
    baseline: str = "grey",
    steps: int = STEPS,
    batch_size: int = BATCH,
    seed: int = 0,
) -> Curve:
    """The class's probability as pixels of the picture become grey (or another of baselines.py), those first where the
    map is most; a small area is good. Else as `insertion`."""
    pair, order = _deleting(subject, baseline, seed), _order(_checked(subject, map_HW), seed)
    return _curves(answering(subject), *pair, [order], subject.label(label), steps, batch_size)[0]


def random_like(map_HW: NDArray[np.floating], seed: int) -> NDArray[np.float64]:
    """A map by chance, as smooth as the one given: its spectrum with the phases of noise (Theiler et al. 1992). Noise
    of single pixels would be no fair rival, as it ruins any picture that it is removed from."""
    noise_HW = np.random.default_rng(seed).standard_normal(map_HW.shape)
    phases = np.exp(1j * np.angle(np.fft.fft2(noise_HW)))
    return np.fft.ifft2(np.abs(np.fft.fft2(map_HW - map_HW.mean())) * phases).real


def randomised(subject: Subject, seed: int = 0) -> Subject:
    """The subject with a copy of its network that has learnt nothing; the subject's own is not touched.

    Weights of two axes and more are drawn anew (He et al. 2015: normal, variance 2 / fan in), so that the signal keeps
    its strength; biases and running means are 0, running variances 1, other vectors as they were. The same seed draws
    the same. Raises SettingError for a network that cannot be copied.
    """
    try:
        network: nn.Module = copy.deepcopy(getattr(subject.network, "_orig_mod", subject.network))
    except Exception as error:  # whatever a module raises that cannot be copied
        raise SettingError(
            f"{type(subject.network).__name__} cannot be copied to randomise its weights",
            got=f"{type(error).__name__}: {error}"[:300],
            remedy="leave out make_map, and the map is tested without it",
        ) from error
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim > 1:
                drawn = torch.randn(weight.shape, generator=chance) * (2 / weight[0].numel()) ** 0.5
                weight.copy_(drawn)
            elif name.rpartition(".")[2] == "bias":
                weight.zero_()
        for name, kept in network.named_buffers():
            if name.rpartition(".")[2] in ("running_mean", "running_var"):
                kept.fill_(float(name.endswith("var")))
    return replace(subject, network=network, weights=tensors_digest(network.state_dict())[:DIGITS])


def charted(card: Scorecard) -> Figure:
    """Both curves of a scorecard, with those by chance beside them."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        pairs = (
            ("insertion", card.insertion, card.random_insertion),
            ("deletion", card.deletion, card.random_deletion),
        )
        for axes, (name, curve, others) in zip(figure.subplots(1, 2), pairs, strict=True):
            for at, other in enumerate(others):
                name_once = "random maps" if at == 0 else None
                axes.plot(100 * other.shares_S, other.probabilities_S, color=FAINT, label=name_once)
            axes.plot(100 * curve.shares_S, curve.probabilities_S, color=INK, label=f"the map, area {curve.area:.3f}")
            axes.set(xlabel=f"{name}: pixels, %", ylabel="probability", ylim=(0, None))
            axes.legend(frameon=False)
            axes.grid(True)
    return figure


def _inserting(subject: Subject, baseline: str, seed: int) -> tuple[Tensor, Tensor]:
    """(what is there at first, what comes)."""
    return baseline_of(subject, baseline, seed), subject.x_1CHW


def _deleting(subject: Subject, baseline: str, seed: int) -> tuple[Tensor, Tensor]:
    return subject.x_1CHW, baseline_of(subject, baseline, seed)


def _curves(
    ready: Answering,
    under_1CHW: Tensor,
    over_1CHW: Tensor,
    orders: Sequence[Tensor],
    label: int,
    steps: int,
    batch_size: int,
) -> list[Curve]:
    """From `under` to `over`, pixel by pixel in each of the orders; both ends are the same for all, and run once."""
    if steps < 1:
        raise SettingError(f"a curve of {steps} steps is none", expected="1 or more")
    placed = [order_HW.to(under_1CHW.device) for order_HW in orders]
    pixels = placed[0].numel()
    counts = [round(pixels * step / steps) for step in range(steps + 1)]
    runs = [(0, 0), (0, pixels), *((at, count) for at in range(len(orders)) for count in counts[1:-1])]

    def write(batch_NCHW: Tensor, runs_N: Sequence[tuple[int, int]]) -> None:
        for x_CHW, (at, count) in zip(batch_NCHW, runs_N, strict=True):
            x_CHW.copy_(torch.where(placed[at] < count, over_1CHW[0], under_1CHW[0]))

    scores_NK = np.concatenate([scores for _, scores in answers(ready, [runs], write, batch_size)])
    first, last, *inner = softmax(scores_NK.astype(np.float64), axis=1)[:, label]
    shares, between = np.array(counts) / pixels, np.reshape(inner, (len(orders), steps - 1))
    return [Curve(shares, np.array([first, *each, last])) for each in between]


def _order(map_HW: NDArray[np.floating], seed: int) -> Tensor:
    """The place of every pixel in the order of the map, H x W, 0 for the most; those alike in an order by chance."""
    chance = np.random.default_rng(seed).random(map_HW.size)
    order = np.lexsort((chance, -map_HW.ravel()))
    places = np.empty(map_HW.size, np.int64)
    places[order] = np.arange(map_HW.size)
    return torch.from_numpy(places.reshape(map_HW.shape))


def _relevance(subject: Subject, look: Look) -> NDArray[np.floating]:
    """The look's numbers by pixel."""
    size = tuple(subject.x_1CHW.shape[2:])
    named = [look.arrays[name] for name in ("relevance", *look.arrays) if name in look.arrays]
    for measured in named:
        if measured.axes == ("row", "column") and measured.values.shape == size:
            return measured.values
    raise SettingError(
        f"{look.kind} has no map of the picture to test",
        expected=f"numbers by row and column, {size[0]} x {size[1]}",
        got=", ".join(f"{name} {' x '.join(map(str, each.values.shape))}" for name, each in look.arrays.items()),
    )


def _checked(subject: Subject, map_HW: NDArray[np.floating]) -> NDArray[np.floating]:
    size = tuple(subject.x_1CHW.shape[2:])
    if map_HW.shape != size:
        raise SettingError(
            "the map has another size than the picture",
            expected=" x ".join(map(str, size)),
            got=" x ".join(map(str, map_HW.shape)),
        )
    if not np.isfinite(map_HW).all():
        raise SettingError("the map holds what is no number", expected="finite numbers, H x W")
    return map_HW
