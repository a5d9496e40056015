"""The words of the notation, one frozen dataclass each, and how each is spelt.

A field that is None was left unsaid; `complete` gives it a value. Sizes are (height, width) here and
width x height in the text; pads are ((top, bottom), (left, right)) here and near:far, across then down,
in the text. Every check raises DesignError, which the parser turns into a NotationError with a caret.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from torchbeam.design.volume import FITS, Fit, Volume
from torchbeam.errors import DesignError

# No number in a network is larger, so that every sum and product of them stays one that can be printed.
MAX_NUMBER = 1_000_000_000

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
}


def _at_least(word: str, minimum: int, **values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < minimum:
            raise DesignError(f"{word} cannot have {name} {value}", expected=f"{minimum} or more")


def _one_of(word: str, name: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise DesignError(f"{word} cannot have {name} {value}", expected=" or ".join(choices))


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

    padding None is the textbooks' rule (F' - 1) / 2, which an even F' cannot follow.
    """

    WORD: ClassVar[str] = "CONV"
    EXAMPLE: ClassVar[str] = "CONV 96 11x11 stride 4 pad 0"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = (
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
        _at_least("CONV", 0, pad=min(map(min, self.padding or ((0, 0),))))
        if self.out_channels is not None and self.out_channels % self.groups:
            raise DesignError(
                f"{self.out_channels} filters cannot be shared among {self.groups} groups",
                expected=f"filters divisible by {self.groups}",
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

    stride None is the kernel's size. `reach` is 'window', or 'global' for the whole volume at once.
    `count` says whether an average counts padded zeros (`all`, torch's default) or not (`valid`).
    """

    WORD: ClassVar[str] = "POOL"
    EXAMPLE: ClassVar[str] = "POOL max 3x3 stride 2"
    ARGUMENTS: ClassVar[tuple[Argument, ...]] = (
        Argument("kind", "choice", "", ("max", "avg", "l2")),
        Argument("reach", "choice", "", ("global", "window")),
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

    def __post_init__(self) -> None:
        _at_least("POOL", 1, kernel=_sides(self.kernel_size), stride=_sides(self.stride))
        _one_of("POOL", "fit", self.fit, FITS)
        _one_of("POOL", "kind", self.kind, ("max", "avg", "l2"))
        _at_least("POOL", 0, pad=min(map(min, self.padding)))
        if self.reach == "global" and (self.kernel_size or self.stride or self.padding != ((0, 0), (0, 0))):
            raise DesignError(
                "POOL global looks at the whole volume at once",
                expected="no size, stride or pad beside 'global'",
            )
        for pads, kernel in zip(self.padding, self.kernel_size or (2, 2), strict=True):
            if max(pads) >= kernel:
                raise DesignError(
                    f"POOL with pad {max(pads)} has windows of {kernel} that see nothing but padding",
                    expected=f"a pad of at most {kernel - 1}",
                )


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
    """A function of each number alone. `slope` is LEAKYRELU's slope below zero, or ELU's alpha."""

    kind: str
    slope: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in ACTIVATIONS:
            raise DesignError(f"no activation {self.kind}", expected=f"one of {', '.join(ACTIVATIONS)}")
        if self.slope is not None and ACTIVATIONS[self.kind] is None:
            raise DesignError(f"{self.kind} takes no number", got=f"{self.slope:g}")
        if self.slope is not None and not math.isfinite(self.slope):
            raise DesignError(f"{self.kind} cannot have a slope of {self.slope:g}", expected="a finite number")


# Each activation and the value of its slope when unsaid (PyTorch's); None where it takes none.
ACTIVATIONS: dict[str, float | None] = {
    "RELU": None,
    "LEAKYRELU": 0.01,
    "ELU": 1.0,
    "GELU": None,
    "SILU": None,
    "TANH": None,
    "SIGMOID": None,
    "IDENTITY": None,
}
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


Word = Conv | Pool | Fc | Activation | BatchNorm | Dropout | Flatten | Softmax

# Every word of the notation but INPUT and the activations, by its spelling.
WORDS: dict[str, type[Conv | Pool | Fc | BatchNorm | Dropout | Flatten | Softmax]] = {
    word.WORD: word for word in (Conv, Pool, Fc, BatchNorm, Dropout, Flatten, Softmax)
}


def spelling(word: Word | Input) -> str:
    """The name a word goes by in the text: 'CONV', 'RELU'."""
    return word.kind if isinstance(word, Activation) else word.WORD


def arguments(word: Word | Input) -> tuple[Argument, ...]:
    """How the fields of a word are spelt."""
    if isinstance(word, Activation):
        return () if ACTIVATIONS[word.kind] is None else ACTIVATION_ARGUMENTS
    return word.ARGUMENTS


@dataclass(frozen=True, slots=True)
class Group:
    """[net]*count: the net in brackets, so many times over."""

    net: "Net"
    count: int = 1

    def __post_init__(self) -> None:
        _at_least("a group", 1, count=self.count)


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a net, with the name it was given, if any."""

    step: Word | Group
    name: str = ""


Net = tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Design:
    """A network as drawn: its INPUT and the links behind it."""

    input: Input
    net: Net
