"""What one word makes of a volume."""

from dataclasses import replace
from math import gcd

from torchbeam.design.activations import ACTIVATIONS
from torchbeam.design.volume import Fit, Slide, Volume, Window, nearest_fits
from torchbeam.design.words import (
    MAX_NUMBER,
    Activation,
    BatchNorm,
    Conv,
    Fc,
    Flatten,
    Foreign,
    Join,
    Pool,
    Shortcut,
    Size,
    Up,
    Word,
    sharing,
    spelling,
)
from torchbeam.errors import DesignError, FitError

DEFAULT_KERNEL: Size = (3, 3)
DEFAULT_POOL: Size = (2, 2)


def settled(word: Word) -> Word:
    """A word with what its own defaults give it, whatever stands around it."""
    match word:
        case Conv(kernel_size=kernel):
            return replace(word, kernel_size=kernel or DEFAULT_KERNEL, padding=word.pads)
        case Pool(reach="global") | Pool(to=(_, _)):
            return replace(word, kind=word.kind or "max")
        case Pool():
            kernel = word.kernel_size or DEFAULT_POOL
            return replace(word, kind=word.kind or "max", kernel_size=kernel, stride=word.stride or kernel)
        case Activation(slope=None):
            return replace(word, slope=ACTIVATIONS[word.kind].default)
        case _:
            return word


# The layers behind which a word stands and what came out of each, from the input on; those that changed it.
Way = list[tuple[str, Volume]]
WAY_SHOWN = 6


def windows(word: Conv | Pool, volume: Volume) -> tuple[Window, Window]:
    """The windows of a CONV or POOL down and across `volume`."""
    if isinstance(word, Pool):
        if word.reach == "global":
            return (Window(volume.height), Window(volume.width))
        if word.to is not None:
            return _adaptive(volume.height, word.to[0]), _adaptive(volume.width, word.to[1])
        kernel = word.kernel_size or DEFAULT_POOL
        stride, pads, dilation = word.stride or kernel, word.padding, (1, 1)
    else:
        kernel = word.kernel_size or DEFAULT_KERNEL
        stride, pads, dilation = word.stride, word.pads, word.dilation
    down, across = (
        Window(k, s, near, far, d) for k, s, (near, far), d in zip(kernel, stride, pads, dilation, strict=True)
    )
    return down, across


def _adaptive(length: int, places: int) -> Window:
    """The widest window of an adaptive pool, with the stride that its windows have where they are all alike."""
    common = gcd(length, places)
    pixels, windows = length // common, places // common
    # ceil((i+1)P/W) - floor(iP/W) is ceil((P+r)/W) with r = iP mod W, which is W - 1 for some i.
    return Window((pixels + 2 * windows - 2) // windows, max(1, length // places))


def slides(word: Conv | Pool, volume: Volume, fit: Fit, name: str = "", way: Way | None = None) -> tuple[Slide, Slide]:
    """How the windows go over `volume`, down and across.

    Raises FitError with the sums and the nearest settings that fit where `fit` does not allow it.
    """
    if isinstance(word, Pool) and word.to is not None:
        return Slide(word.to[0]), Slide(word.to[1])
    down, across = windows(word, volume)
    going = down.slide(volume.height, fit), across.slide(volume.width, fit)
    if going[0] is None or going[1] is None:
        raise _fit_error(word, volume, name or word.WORD, way or [])
    if isinstance(word, Pool):
        for window, slide, length in zip((down, across), going, (volume.height, volume.width), strict=True):
            if slide is not None and not window.sees_pixels(length, slide.count):
                raise DesignError(
                    f"{name or word.WORD}: its last window would see nothing but padding",
                    got=f"windows of {window.size} with stride {window.stride} over {length} pixels",
                    remedy="write fit crop, or a smaller pad or stride",
                )
    return going[0], going[1]


def output(word: Word, volume: Volume, fit: Fit, name: str = "", way: Way | None = None) -> Volume:
    """The volume that `word` makes of `volume`; its width and number of units must be settled.

    way: what an error tells of the layers before. Raises DesignError or FitError where it cannot.
    """
    return _bounded(_output(word, volume, fit, name, way), name or spelling(word))


def _output(word: Word, volume: Volume, fit: Fit, name: str, way: Way | None) -> Volume:
    match word:
        case Conv():
            channels, groups = filters(word, volume)
            if volume.channels % groups:
                raise DesignError(
                    f"{name or 'CONV'}: an input {volume.channels} deep cannot be shared among {groups} groups",
                    expected=f"an input depth divisible by {groups}",
                    remedy=sharing(volume.channels, groups, "deep"),
                )
            down, across = slides(word, volume, fit, name, way)
            return Volume(channels, down.count, across.count)
        case Pool():
            down, across = slides(word, volume, fit, name, way)
            return Volume(volume.channels, down.count, across.count)
        case Fc(out_features=units):
            return Volume(units or 1, 1, 1)
        case Flatten():
            return Volume(volume.neurons, 1, 1)
        case Up(scale_factor=by):
            return Volume(volume.channels, volume.height * by, volume.width * by)
        case Shortcut(out_channels=channels, stride=(down, across)):
            channels = channels or volume.channels
            if channels < volume.channels:
                raise DesignError(
                    f"{name or 'SHORTCUT'}: {volume.channels} channels cannot become {channels} by adding zeros",
                    expected=f"{volume.channels} or more",
                )
            return Volume(channels, -(-volume.height // down), -(-volume.width // across))
        case _:
            return volume


def _bounded(volume: Volume, name: str) -> Volume:
    if max(volume.channels, volume.height, volume.width) > MAX_NUMBER:
        raise DesignError(f"{name}: a volume of {volume} is too large", expected=f"sides of at most {MAX_NUMBER:,}")
    return volume


def filters(conv: Conv, volume: Volume) -> tuple[int, int]:
    """(filters, groups) of a CONV on that volume."""
    if conv.connect == "depthwise":
        return volume.channels, volume.channels
    return conv.out_channels or 1, conv.groups


def joined(join: Join, volumes: tuple[Volume, ...], name: str) -> Volume:
    """What branches come to: their depths together, or their sum. Raises DesignError where they do not match."""
    first = volumes[0]
    came = (" | " if join.kind == "concat" else " + ").join(map(str, volumes))
    if join.kind == "sum" and any(volume != first for volume in volumes):
        raise DesignError(
            f"{name}: branches of different volumes cannot be added",
            expected=f"{first} from every branch, as from the first",
            got=came,
            remedy=_other_branch(volumes),
        )
    if any((volume.height, volume.width) != (first.height, first.width) for volume in volumes):
        raise DesignError(
            f"{name}: branches of different width and height cannot lie side by side in depth",
            expected=f"{first.width}x{first.height} from every branch, as from the first",
            got=came,
            remedy="give the branches the same strides, and pads that keep their sizes alike",
        )
    if join.kind == "sum":
        return first
    return _bounded(Volume(sum(volume.channels for volume in volumes), first.height, first.width), name)


def _other_branch(volumes: tuple[Volume, ...]) -> str:
    """What would make the first two different volumes alike."""
    first, other = volumes[0], next(volume for volume in volumes if volume != volumes[0])
    if (first.height, first.width) == (other.height, other.width):
        return f"end the other branch with CONV {first.channels} 1x1, or write ( | ) to join them in depth"
    down, across = other.height / first.height, other.width / first.width
    if down == across and down > 1 and down.is_integer():
        conv = f"CONV {first.channels} 1x1 stride {int(down)} fit crop"
        return f"put {conv} in place of the other branch's last layer, or behind it"
    return "give the branches the same strides, and pads that keep their sizes alike"


def parameters(word: Word | Join | Foreign, volume: Volume) -> tuple[int, int]:
    """(weights, biases) that `word` learns when `volume` comes in."""
    match word:
        case Conv(bias=bias):
            height, width = word.kernel_size or DEFAULT_KERNEL
            channels, groups = filters(word, volume)
            return channels * (volume.channels // groups) * height * width, channels * bias
        case Fc(out_features=units, bias=bias):
            return (units or 1) * volume.neurons, (units or 1) * bias
        case BatchNorm():
            return volume.channels, volume.channels
        case Activation(kind="PRELU"):
            return 1, 0
        case Foreign(weights=weights, biases=biases):
            return weights, biases
        case _:
            return 0, 0


def _fit_error(word: Conv | Pool, volume: Volume, name: str, way: Way) -> FitError:
    down, across = windows(word, volume)
    axes = [("across", across, volume.width), ("down", down, volume.height)]
    if across == down and volume.width == volume.height:
        axes = [("", across, volume.width)]
    sums, remedies = [], []
    for axis, window, length in axes:
        if window.fits(length):
            continue
        label = f"{axis}: " if axis else ""
        places = window.places(length)
        why = "not a whole number" if places >= 1 else "less than one place"
        sums.append(f"{label}(W - F + 2P) / S + 1 = {window.sum(length)}, {why}")
        is_pool = isinstance(word, Pool)
        fits = nearest_fits(window, length, pooling=is_pool)
        # A kernel's change carries a pad or stride that was left unsaid along; so the remedy says it.
        beside = f"stride {window.stride}" if is_pool else f"pad {_near_far(window)}"
        settings = [
            f"{setting} with {beside} gives {count}" if setting.startswith("kernel") else f"{setting} gives {count}"
            for setting, count in fits
        ]
        for answer in ("crop", "pad"):
            slide = window.slide(length, answer)
            if slide is not None and (not is_pool or window.sees_pixels(length, slide.count)):
                settings.append(f"fit {answer} gives {slide.count}")
        remedies.append(label + ", ".join(settings))
    steps = tuple(f"{layer} {size}" for layer, size in way)
    if len(steps) > 1:
        shown = steps if len(steps) <= WAY_SHOWN else (steps[0], "...", *steps[2 - WAY_SHOWN :])
        sums.append("after " + " -> ".join(shown))
    return FitError(
        f"{name}: a {across.size}x{down.size} window does not fit {volume} a whole number of times",
        got="\n".join(sums),
        remedy="\n".join(remedies),
        way=steps,
    )


def _near_far(window: Window) -> str:
    return str(window.near) if window.near == window.far else f"{window.near}:{window.far}"
