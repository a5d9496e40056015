"""saliency: which pixels a score hangs on, by its gradient with respect to the picture.

Four ways, each of the score before any softmax. The gradient is torch's own; no module is touched, no weight gets one.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.arguments import listed, short
from torchbeam.errors import SettingError
from torchbeam.look.activations import at_least_one, rectified
from torchbeam.look.look import Look, Measured
from torchbeam.look.overlay import Panel, row
from torchbeam.look.sheets import scale_of
from torchbeam.look.subject import Given, Modelled, Subject, looking, subject_of

MOST = 0.99  # of the pixels keep colours of their own; a few outliers would leave the rest dark (Smilkov et al. 2017)
PER_PIXEL = "score per pixel value"
AXES = ("channel", "row", "column")


def saliency(
    network: nn.Module | Modelled,
    picture: Given,
    label: str | int | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Look:
    """Simonyan, Vedaldi & Zisserman 2013: the gradient of a class's score with respect to the normalised picture.

    label: the class, by name or number; None for the likeliest. Arrays: 'gradient' (channel, row, column), 'map', the
    largest of its sizes over the channels. Raises SettingError for an unknown class, and where no gradient comes back.
    """
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    number = subject.label(label)
    gradient_CHW, (score,) = _gradients(subject, subject.x_1CHW, number)
    caption = f"Saliency (Simonyan et al. 2013) of {_named(subject, number)}, score {score:.4g}: {_SIZES}"
    return _of_gradient("saliency", subject, number, gradient_CHW[0], caption)


def smoothgrad(
    network: nn.Module | Modelled,
    picture: Given,
    label: str | int | None = None,
    *,
    samples: int = 32,
    noise: float = 0.15,
    seed: int = 0,
    batch: int = 16,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Look:
    """Smilkov et al. 2017: the mean of the gradients of `samples` copies of the picture with noise upon them.

    noise: its standard deviation, as a share of the picture's range of normalised values. batch: copies run at once;
    the numbers are the same but for rounding. Else as `saliency`. Raises SettingError also for a setting out of range.
    """
    at_least_one("samples", samples)
    at_least_one("batch", batch)
    if not noise > 0:
        raise SettingError("noise must be above 0", got=str(noise), remedy="saliency is the gradient without noise")
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    number, x_1CHW = subject.label(label), subject.x_1CHW
    spread = noise * float(x_1CHW.max() - x_1CHW.min())
    chance = torch.Generator().manual_seed(seed)  # on the CPU, one copy after the other: the same on every machine
    total_CHW = torch.zeros_like(x_1CHW[0], dtype=torch.float64, device="cpu")
    for start in range(0, samples, batch):
        copies = [torch.randn(x_1CHW.shape, generator=chance) for _ in range(start, min(start + batch, samples))]
        noisy_NCHW = x_1CHW + spread * torch.cat(copies).to(x_1CHW)
        total_CHW += _gradients(subject, noisy_NCHW, number)[0].double().sum(0)
    caption = (
        f"SmoothGrad (Smilkov et al. 2017) of {_named(subject, number)}, the mean of {samples:,} gradients under noise "
        f"of {noise:.0%} of the picture's range, seed {seed}: {_SIZES}"
    )
    return _of_gradient("smoothgrad", subject, number, (total_CHW / samples).float(), caption)


def guided_backprop(
    network: nn.Module | Modelled,
    picture: Given,
    label: str | int | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Look:
    """Springenberg et al. 2014: the gradient, of which every rectifier lets back only what is above zero where its
    input was.

    Guided are ReLU and ReLU6, as modules and as functions, used once or often, in place or not, and hardtanh from 0 on.
    Not guided, and left with gradients of their own: any other activation, clamp and maximum used as a rectifier, and
    what runs within compiled code; the caption names the activations. Else as `saliency`. Raises SettingError also
    where nothing rectifies.
    """
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    number = subject.label(label)
    guide = _Guide()
    gradient_CHW, _ = _gradients(subject, subject.x_1CHW, number, guide)
    if not guide.guided:
        raise SettingError(
            "nothing rectifies that could be guided",
            expected="ReLU or ReLU6",
            got=listed(sorted(guide.others)) or "no activation",
            remedy="saliency is the gradient without guiding",
        )
    others = f"; not guided: {listed(sorted(guide.others))}" if guide.others else ""
    caption = (
        f"Guided backpropagation (Springenberg et al. 2014) of {_named(subject, number)}, through {guide.guided:,} "
        f"rectifiers{others}: {_SIZES}"
    )
    return _of_gradient("guided-backprop", subject, number, gradient_CHW[0], caption)


def integrated_gradients(
    network: nn.Module | Modelled,
    picture: Given,
    label: str | int | None = None,
    *,
    steps: int = 50,
    baseline: Literal["black", "mean", "white"] | Tensor = "black",
    batch: int = 16,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Look:
    """Sundararajan, Taly & Yan 2017: what each pixel adds to a class's score, from a baseline to the picture.

    (x - baseline) times the gradient's integral along the straight way between them, by Gauss and Legendre's rule at
    `steps` points. baseline: black, white, the mean colour of the normalisation, or a normalised picture C, H, W.
    What the pixels add should sum to the difference of the two scores; the gap is told in the caption and in facts.
    Arrays: 'attribution' (channel, row, column), 'map', its sum over the channels. Else as `saliency`.
    """
    at_least_one("steps", steps)
    at_least_one("batch", batch)
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    number, x_1CHW = subject.label(label), subject.x_1CHW
    base_1CHW, told = _baseline(subject, baseline)
    points, weights = np.polynomial.legendre.leggauss(steps)
    shares_N = torch.from_numpy((points + 1) / 2).to(x_1CHW)
    total_CHW = torch.zeros_like(x_1CHW[0], dtype=torch.float64, device="cpu")
    for start in range(0, steps, batch):
        way_NCHW = base_1CHW + shares_N[start : start + batch, None, None, None] * (x_1CHW - base_1CHW)
        gradients_NCHW, _ = _gradients(subject, way_NCHW, number)
        part_N = torch.from_numpy(weights[start : start + batch] / 2)
        total_CHW += torch.einsum("n,nchw->chw", part_N, gradients_NCHW.double())
    added_CHW = ((x_1CHW - base_1CHW)[0].double().cpu() * total_CHW).float()
    _, (score, before) = _gradients(subject, torch.cat((x_1CHW, base_1CHW)), number)
    gap = float(added_CHW.double().sum()) - (score - before)
    map_HW = added_CHW.sum(0).numpy()
    caption = (
        f"Integrated gradients (Sundararajan et al. 2017) of {_named(subject, number)}: what each pixel adds to the "
        f"score on the way from {told} ({before:.4g}) to the picture ({score:.4g}), {steps:,} steps. Completeness gap "
        f"{gap:+.2g}, {abs(gap) / max(abs(score - before), 1e-12):.2%} of the difference; float32, {subject.of}"
    )
    arrays = {
        "attribution": Measured(added_CHW.numpy(), AXES, "score"),
        "map": Measured(map_HW, ("row", "column"), "score"),
    }
    facts = {"label": number, "class": subject.classes[number], "score": score, "before": before, "gap": gap}
    drawn = _row(subject, _title("integrated gradients", subject, number), map_HW, "score added", signed=True)
    return Look("integrated-gradients", arrays, caption, drawn, facts=facts)


_SIZES = "the gradient of the score with respect to each pixel, its largest size over the channels"


# The gradient.


def _gradients(
    subject: Subject, x_NCHW: Tensor, number: int, mode: AbstractContextManager[Any] | None = None
) -> tuple[Tensor, list[float]]:
    """Of the score of that number, for each of N pictures: its gradient, N, C, H, W on the CPU, and its value."""
    with looking(subject.network), torch.enable_grad(), mode or nullcontext():
        leaf_NCHW = x_NCHW.detach().clone().requires_grad_()
        scores_N = subject.network(leaf_NCHW.clone()).flatten(1)[:, number]  # a clone: it may be written in place
        if not scores_N.requires_grad:
            raise SettingError(
                "no gradient comes back from the scores to the picture",
                expected="a network of differentiable functions",
                remedy="occlusion needs no gradient",
            )
        (gradients_NCHW,) = torch.autograd.grad(scores_N.sum(), leaf_NCHW)
    return gradients_NCHW.float().cpu(), scores_N.detach().float().cpu().tolist()


def _baseline(subject: Subject, asked: str | Tensor) -> tuple[Tensor, str]:
    """Where the way begins, 1, C, H, W, and what it is called."""
    x_1CHW = subject.x_1CHW
    if isinstance(asked, Tensor):
        base_1CHW = asked[None] if asked.ndim == 3 else asked
        if base_1CHW.shape != x_1CHW.shape:
            raise SettingError(
                "the baseline is not of the picture's shape",
                expected=" x ".join(map(str, x_1CHW.shape[1:])),
                got=" x ".join(map(str, asked.shape)),
            )
        return base_1CHW.detach().to(x_1CHW), "a picture that was given"
    mean, std = (torch.tensor(each).view(1, -1, 1, 1).to(x_1CHW) for each in (subject.mean, subject.std))
    known = {"black": -mean / std, "mean": torch.zeros_like(mean), "white": (1 - mean) / std}
    if asked not in known:
        raise SettingError(f"no baseline {short(str(asked))!r}", expected=f"{listed(list(known))}, or a tensor")
    return known[asked].expand_as(x_1CHW).contiguous(), "the mean colour" if asked == "mean" else asked


# Guided rectifiers.

_OTHERS = (
    *("leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "hardsigmoid"),
    *("sigmoid", "logsigmoid", "tanh", "softplus", "softsign", "hardtanh", "threshold", "hardshrink", "softshrink"),
    *("tanhshrink", "glu"),
)


class _Guide(TorchFunctionMode):
    """While it is on, rectifiers let back only what is above zero. guided: how many ran; others: the names of the
    activations that are left as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.guided = 0
        self.others: set[str] = set()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = rectified(func, args, kwargs or {})
        if found:
            self.guided += 1
            return _Guided.apply(*found)
        name = getattr(func, "__name__", "").rstrip("_")
        if name in _OTHERS:
            self.others.add(name)
        return func(*args, **(kwargs or {}))


class _Guided(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, ceiling: float, in_place: bool) -> Tensor:
        ctx.save_for_backward((x > 0) & (x < ceiling))
        if in_place:
            ctx.mark_dirty(x)
            return x.clamp_(0, ceiling)
        return x.clamp(0, ceiling)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (passed,) = ctx.saved_tensors
        return gradients[0].clamp_min(0) * passed, None, None


# What becomes of it.


def _of_gradient(kind: str, subject: Subject, number: int, gradient_CHW: Tensor, caption: str) -> Look:
    map_HW = gradient_CHW.abs().amax(0).numpy()
    arrays = {
        "gradient": Measured(gradient_CHW.numpy(), AXES, PER_PIXEL),
        "map": Measured(map_HW, ("row", "column"), PER_PIXEL),
    }
    drawn = _row(subject, _title(kind.replace("-", " "), subject, number), map_HW, "score per pixel", signed=False)
    facts = {"label": number, "class": subject.classes[number]}
    return Look(kind, arrays, f"{caption}. float32, {subject.of}", drawn, facts=facts)


def _row(subject: Subject, title: str, map_HW: NDArray[np.float32], unit: str, *, signed: bool) -> Callable[[], Figure]:
    """Draws the picture, and the map beside it; the strongest 1 % of its pixels have one colour."""
    most = scale_of(map_HW, most=MOST).high
    own = Panel(title, map_RC=map_HW, signed=signed, strongest=most, unit=f"{unit}; top 1 % alike")
    return lambda: row(Panel("the picture", subject.shown_HWC), own)


def _named(subject: Subject, number: int) -> str:
    return f"{subject.classes[number]!r}"


def _title(kind: str, subject: Subject, number: int) -> str:
    return f"{kind}: {short(subject.classes[number])}"
