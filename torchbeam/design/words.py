"""The words of the notation, one frozen dataclass each, and how each is spelt.

A field that is None was left unsaid; `complete` gives it a value. Sizes are (height, width) here and
width x height in the text; pads are ((top, bottom), (left, right)) here and near:far, across then down,
in the text. Every check raises DesignError, which the parser turns into a NotationError with a caret.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from torchbeam.design.activations import ACTIVATIONS
from torchbeam.design.volume import FITS, Fit, Volume
from torchbeam.errors import DesignError

# No number in a network is larger, so that every sum and product of them stays one that can be printed.
MAX_NUMBER = 1_000_000_000
# `POOL to` makes no more places, and `UP` no larger a step: what one neuron sees repeats after so many of them.
MOST_PLACES = 1_000
MOST_UP = 64
# How far below and above the number said a number of groups is looked for.
GROUPS_REACH = 1_000

Size = tuple[int, int]
Pads = tuple[Size, Size]
Kind = Literal["count", "size", "pads", "number", "yes or no", "choice", "volume"]


@dataclass(frozen=True, slots=True)
class Argument:
    """How one field is spelt: by position (no keyword) or behind its keyword.

    choices: the names that stand for a value of the field, as in `POOL avg global`.
    """

    field: str
    kind: Kind
    keyword: str = ""
    choices: tuple[str, ...] = ()

    @property
    def noun(self) -> str:
        """What the text's reader calls it."""
        return self.keyword or _NOUNS.get(self.field, self.field)


_NOUNS = {
    "out_channels": "number of filters",
    "out_features": "number of units",
    "kernel_size": "size",
    "volume": "size",
    "p": "share",
    "scale_factor": "factor",
    "connect": "connections",
}


def _at_least(word: str, minimum: int, **values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < minimum:
            raise DesignError(f"{word} cannot have {name} {value}", expected=f"{minimum} or more")


def _one_of(word: str, name: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise DesignError(f"{word} cannot have {name} {value}", expected=" or ".join(choices))


def sharing(depth: int, groups: int, noun: str) -> str:
    """The nearest depths that so many groups can share, and the nearest groups that can share that depth."""
    depths = [near for near in (depth - depth % groups, depth + -depth % groups) if near]
    start = min(groups, depth)
    below = next((near for near in range(start, max(0, start - GROUPS_REACH), -1) if depth % near == 0), 1)
    above = next((near for near in range(start, min(depth, start + GROUPS_REACH) + 1) if depth % near == 0), below)
    others = dict.fromkeys((str(below), str(above)))
    return f"{' or '.join(map(str, depths))} {noun}, or groups {' or '.join(others)}"


def _sides(size: Size | None) -> int | None:
    return None if size is None else min(size)


@dataclass(frozen=True, slots=True)
class Input:
    """INPUT: the volume that comes in, from the data when unsaid, and the fit of layers without their own."""

    WORD: ClassVar[str] = "INPUT"
    EXAMPLE: ClassVar[str] = "INPUT 227x227x3 fit crop"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = (
        Argument("volume", "volume"),
        Argument("fit", "choice", "fit", FITS),
    )
    volume: Volume | None = None
    fit: Fit = "error"

    def __post_init__(self) -> None:
        _one_of("INPUT", "fit", self.fit, FITS)


@dataclass(frozen=True, slots=True)
class Conv:
    """CONV: out_channels filters, each slid over the whole depth of its input (or a group of it).

    padding None is the textbooks' rule (F' - 1) / 2, which an even F' cannot follow. connect 'depthwise' is one
    filter for each channel of the input: as many filters and groups as it is deep (Howard et al. 2017).
    """

    WORD: ClassVar[str] = "CONV"
    EXAMPLE: ClassVar[str] = "CONV 96 11x11 stride 4 pad 0"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = (
        Argument("connect", "choice", "", ("full", "depthwise")),
        Argument("out_channels", "count"),
        Argument("kernel_size", "size"),
        Argument("stride", "size", "stride"),
        Argument("padding", "pads", "pad"),
        Argument("dilation", "size", "dilation"),
        Argument("groups", "count", "groups"),
        Argument("bias", "yes or no", "bias"),
        Argument("fit", "choice", "fit", FITS),
    )
    out_channels: int | None = None
    kernel_size: Size | None = None
    stride: Size = (1, 1)
    padding: Pads | None = None
    dilation: Size = (1, 1)
    groups: int = 1
    bias: bool = True
    fit: Fit | None = None
    connect: Literal["full", "depthwise"] = "full"

    def __post_init__(self) -> None:
        _at_least(
            "CONV",
            1,
            filters=self.out_channels,
            kernel=_sides(self.kernel_size),
            stride=min(self.stride),
            dilation=min(self.dilation),
            groups=self.groups,
        )
        _one_of("CONV", "fit", self.fit, FITS)
        _one_of("CONV", "connections", self.connect, ("full", "depthwise"))
        if self.connect == "depthwise" and (self.out_channels is not None or self.groups != 1):
            raise DesignError(
                "CONV depthwise has as many filters and groups as its input is deep",
                expected="neither filters nor groups beside 'depthwise'",
            )
        _at_least("CONV", 0, pad=min(map(min, self.padding or ((0, 0),))))
        if self.out_channels is not None and self.out_channels % self.groups:
            raise DesignError(
                f"{self.out_channels} filters cannot be shared among {self.groups} groups",
                expected=f"filters divisible by {self.groups}",
                remedy=sharing(self.out_channels, self.groups, "filters"),
            )
        for kernel, dilation in zip(self.kernel_size or (), self.dilation, strict=False):
            extent = dilation * (kernel - 1) + 1
            if extent > MAX_NUMBER:
                raise DesignError(f"CONV's window covers {extent:,} pixels", expected=f"at most {MAX_NUMBER:,}")
            if self.padding is None and extent % 2 == 0:
                raise DesignError(
                    f"CONV with an even window of {extent} pixels has no middle to pad around",
                    expected="the pad said, as in 'pad 0' or 'pad 0:1'",
                )

    @property
    def pads(self) -> Pads:
        """padding, or the rule's (F' - 1) / 2 on every side where it was left unsaid."""
        if self.padding is not None:
            return self.padding
        height, width = (d * (k - 1) // 2 for k, d in zip(self.kernel_size or (3, 3), self.dilation, strict=True))
        return ((height, height), (width, width))


@dataclass(frozen=True, slots=True)
class Pool:
    """POOL: the max, average or l2 norm of each window of each channel; kind None is max.

    stride None is the kernel's size. `reach` is 'window', or 'global' for the whole volume at once; `to` is the size
    that comes out, (height, width), by windows from floor(iW/O) up to ceil((i+1)W/O) as torch's adaptive pools have.
    `count` says whether an average counts padded zeros (`all`, torch's default) or not (`valid`).
    """

    WORD: ClassVar[str] = "POOL"
    EXAMPLE: ClassVar[str] = "POOL max 3x3 stride 2"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = (
        Argument("kind", "choice", "", ("max", "avg", "l2")),
        Argument("reach", "choice", "", ("global", "window")),
        Argument("to", "size", "to"),
        Argument("kernel_size", "size"),
        Argument("stride", "size", "stride"),
        Argument("padding", "pads", "pad"),
        Argument("count", "choice", "count", ("all", "valid")),
        Argument("fit", "choice", "fit", FITS),
    )
    kind: Literal["max", "avg", "l2"] | None = None
    reach: Literal["window", "global"] = "window"
    kernel_size: Size | None = None
    stride: Size | None = None
    padding: Pads = ((0, 0), (0, 0))
    count: Literal["all", "valid"] = "all"
    fit: Fit | None = None
    to: Size | None = None

    def __post_init__(self) -> None:
        _at_least("POOL", 1, kernel=_sides(self.kernel_size), stride=_sides(self.stride))
        _one_of("POOL", "fit", self.fit, FITS)
        _one_of("POOL", "kind", self.kind, ("max", "avg", "l2"))
        _at_least("POOL", 0, pad=min(map(min, self.padding)))
        sized = self.kernel_size or self.stride or self.padding != ((0, 0), (0, 0))
        if self.reach == "global" and (sized or self.to):
            raise DesignError(
                "POOL global looks at the whole volume at once",
                expected="no size, stride or pad beside 'global'",
            )
        if self.to is not None:
            self._check_to(bool(sized))
        for pads, kernel in zip(self.padding, self.kernel_size or (2, 2), strict=True):
            if max(pads) >= kernel:
                raise DesignError(
                    f"POOL with pad {max(pads)} has windows of {kernel} that see nothing but padding",
                    expected=f"a pad of at most {kernel - 1}",
                )

    def _check_to(self, sized: bool) -> None:
        _at_least("POOL", 1, to=_sides(self.to))
        if max(self.to or (1, 1)) > MOST_PLACES:
            raise DesignError(f"POOL cannot make {max(self.to or ())} places", expected=f"at most {MOST_PLACES:,}")
        if sized:
            raise DesignError("POOL to a size chooses its own windows", expected="no size, stride or pad beside 'to'")
        if self.kind == "l2":
            raise DesignError("POOL l2 cannot pool to a size", expected="max or avg", remedy="say its size and stride")


@dataclass(frozen=True, slots=True)
class Fc:
    """FC: out_features units, each connected to every number of its input."""

    WORD: ClassVar[str] = "FC"
    EXAMPLE: ClassVar[str] = "FC 256"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = (
        Argument("out_features", "count"),
        Argument("bias", "yes or no", "bias"),
    )
    out_features: int | None = None
    bias: bool = True

    def __post_init__(self) -> None:
        _at_least("FC", 1, units=self.out_features)


@dataclass(frozen=True, slots=True)
class Activation:
    """A function of each number alone. `slope` is that of LEAKYRELU and PRELU below zero, alpha of ELU and CELU."""

    kind: str
    slope: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in ACTIVATIONS:
            raise DesignError(f"no activation {self.kind}", expected=f"one of {', '.join(ACTIVATIONS)}")
        if self.slope is not None and ACTIVATIONS[self.kind].default is None:
            raise DesignError(f"{self.kind} takes no number", got=f"{self.slope:g}")
        if self.slope is not None and not math.isfinite(self.slope):
            raise DesignError(f"{self.kind} cannot have a slope of {self.slope:g}", expected="a finite number")
        if self.kind == "CELU" and self.slope is not None and self.slope <= 0:
            raise DesignError(f"CELU cannot have alpha {self.slope:g}", expected="a number above 0")


ACTIVATION_ARGUMENTS = (Argument("slope", "number"),)


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """BN: each channel to mean 0 and variance 1 over the batch, then scaled and shifted (Ioffe & Szegedy 2015)."""

    WORD: ClassVar[str] = "BN"
    EXAMPLE: ClassVar[str] = "BN eps 1e-5 momentum 0.1"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = (
        Argument("eps", "number", "eps"),
        Argument("momentum", "number", "momentum"),
    )
    eps: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        if not (0 < self.eps < math.inf and 0 <= self.momentum <= 1):
            raise DesignError(
                f"BN cannot have eps {self.eps:g} and momentum {self.momentum:g}",
                expected="eps above 0, momentum in [0, 1]",
            )


@dataclass(frozen=True, slots=True)
class Dropout:
    """DROPOUT: in training each number is zeroed with probability p, the others divided by 1 - p."""

    WORD: ClassVar[str] = "DROPOUT"
    EXAMPLE: ClassVar[str] = "DROPOUT 0.5"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = (Argument("p", "number"),)
    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise DesignError(f"DROPOUT cannot drop a share of {self.p:g}", expected="a share in [0, 1)")


@dataclass(frozen=True, slots=True)
class Flatten:
    """FLATTEN: a volume as one long vector, channel by channel. FC does this by itself."""

    WORD: ClassVar[str] = "FLATTEN"
    EXAMPLE: ClassVar[str] = "FLATTEN"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = ()


@dataclass(frozen=True, slots=True)
class Softmax:
    """SOFTMAX: exp(x) / sum of exp(x), over the channels at each position."""

    WORD: ClassVar[str] = "SOFTMAX"
    EXAMPLE: ClassVar[str] = "SOFTMAX"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = ()


@dataclass(frozen=True, slots=True)
class Lrn:
    """LRN: local response normalisation over `size` neighbouring channels (Krizhevsky, Sutskever & Hinton 2012),
    x / (k + alpha / size * sum of squares)^beta.

    alpha is divided by the size, as torch and Caffe do; the paper's formula does not: its alpha 1e-4 is 5e-4 here.
    """

    WORD: ClassVar[str] = "LRN"
    EXAMPLE: ClassVar[str] = "LRN 5 alpha 1e-4 beta 0.75 k 2"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = (
        Argument("size", "count"),
        Argument("alpha", "number", "alpha"),
        Argument("beta", "number", "beta"),
        Argument("k", "number", "k"),
    )
    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def __post_init__(self) -> None:
        _at_least("LRN", 1, size=self.size)
        if not all(0 <= number < math.inf for number in (self.alpha, self.beta, self.k)):
            raise DesignError(
                f"LRN cannot have alpha {self.alpha:g}, beta {self.beta:g} and k {self.k:g}",
                expected="finite numbers of 0 or more",
            )


@dataclass(frozen=True, slots=True)
class Up:
    """UP: every pixel becomes scale_factor x scale_factor, repeated (nearest) or interpolated (bilinear)."""

    WORD: ClassVar[str] = "UP"
    EXAMPLE: ClassVar[str] = "UP 2"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = (
        Argument("scale_factor", "count"),
        Argument("mode", "choice", "", ("nearest", "bilinear")),
    )
    scale_factor: int = 2
    mode: Literal["nearest", "bilinear"] = "nearest"

    def __post_init__(self) -> None:
        _at_least("UP", 1, factor=self.scale_factor)
        _one_of("UP", "mode", self.mode, ("nearest", "bilinear"))
        if self.scale_factor > MOST_UP:
            raise DesignError(f"UP cannot enlarge {self.scale_factor} times", expected=f"at most {MOST_UP}")


@dataclass(frozen=True, slots=True)
class Skip:
    """SKIP: what comes in goes out, as in the empty branch of a sum (He et al. 2015)."""

    WORD: ClassVar[str] = "SKIP"
    EXAMPLE: ClassVar[str] = "SKIP"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = ()


@dataclass(frozen=True, slots=True)
class Shortcut:
    """SHORTCUT: every stride-th pixel, with channels of zeros added on both sides up to out_channels: option A of
    He et al. 2015, section 3.3. An odd zero channel goes behind."""

    WORD: ClassVar[str] = "SHORTCUT"
    EXAMPLE: ClassVar[str] = "SHORTCUT 32 stride 2"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = (
        Argument("out_channels", "count"),
        Argument("stride", "size", "stride"),
    )
    out_channels: int | None = None
    stride: Size = (1, 1)

    def __post_init__(self) -> None:
        _at_least("SHORTCUT", 1, channels=self.out_channels, stride=min(self.stride))


@dataclass(frozen=True, slots=True)
class Join:
    """How branches come together: 'concat' in depth, 'sum' number by number. Written ( a | b ) and ( a + b )."""

    kind: Literal["concat", "sum"]


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a module read from outside does and the notation has no word for.

    kind: what its class calls it. local: each number that comes out is made from its own position alone.
    """

    kind: str
    weights: int = 0
    biases: int = 0
    macs: int = 0
    local: bool = True


Word = Conv | Pool | Fc | Activation | BatchNorm | Lrn | Dropout | Flatten | Softmax | Up | Skip | Shortcut

# Every word of the notation but INPUT, AUX and the activations, by its spelling.
WORDS: dict[str, type[Conv | Pool | Fc | BatchNorm | Lrn | Dropout | Flatten | Softmax | Up | Skip | Shortcut]] = {
    word.WORD: word for word in (Conv, Pool, Fc, BatchNorm, Lrn, Dropout, Flatten, Softmax, Up, Skip, Shortcut)
}


def spelling(word: Word | Input | Join | Foreign) -> str:
    """The name a word goes by: 'CONV', 'RELU'; joins are 'CONCAT' and 'SUM'."""
    match word:
        case Activation(kind=kind) | Foreign(kind=kind):
            return kind
        case Join(kind=kind):
            return kind.upper()
        case _:
            return word.WORD


def arguments(word: Word | Input) -> tuple[Argument, ...]:
    """How the fields of a word are spelt."""
    if isinstance(word, Activation):
        return () if ACTIVATIONS[word.kind].default is None else ACTIVATION_ARGUMENTS
    return word.ARGUMENTS
