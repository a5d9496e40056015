"""What one word makes of a volume."""

from torchbeam.design.volume import Fit, Slide, Volume, Window, nearest_fits
from torchbeam.design.words import BatchNorm, Conv, Fc, Flatten, Pool, Size, Word
from torchbeam.errors import DesignError, FitError

DEFAULT_KERNEL: Size = (3, 3)
DEFAULT_POOL: Size = (2, 2)


def windows(word: Conv | Pool, volume: Volume) -> tuple[Window, Window]:
    """The windows of a CONV or POOL down and across `volume`."""
    if isinstance(word, Pool):
        if word.reach == "global":
            return (Window(volume.height), Window(volume.width))
        kernel = word.kernel_size or DEFAULT_POOL
        stride, pads, dilation = word.stride or kernel, word.padding, (1, 1)
    else:
        kernel = word.kernel_size or DEFAULT_KERNEL
        stride, pads, dilation = word.stride, word.pads, word.dilation
    down, across = (
        Window(k, s, near, far, d) for k, s, (near, far), d in zip(kernel, stride, pads, dilation, strict=True)
    )
    return down, across


def slides(word: Conv | Pool, volume: Volume, fit: Fit, name: str = "") -> tuple[Slide, Slide]:
    """How the windows go over `volume`, down and across.

    Raises FitError with the sums and the nearest settings that fit where `fit` does not allow it.
    """
    down, across = windows(word, volume)
    going = down.slide(volume.height, fit), across.slide(volume.width, fit)
    if going[0] is None or going[1] is None:
        raise _fit_error(word, volume, name or word.WORD)
    if isinstance(word, Pool):
        for window, slide, length in zip((down, across), going, (volume.height, volume.width), strict=True):
            if slide is not None and not window.sees_pixels(length, slide.count):
                raise DesignError(
                    f"{name or word.WORD}: its last window would see nothing but padding",
                    got=f"windows of {window.size} with stride {window.stride} over {length} pixels",
                    remedy="write fit crop, or a smaller pad or stride",
                )
    return going[0], going[1]


def output(word: Word, volume: Volume, fit: Fit, name: str = "") -> Volume:
    """The volume that `word` makes of `volume`; its width and number of units must be settled.

    Raises DesignError or FitError where it cannot.
    """
    match word:
        case Conv(out_channels=channels, groups=groups):
            if volume.channels % groups:
                raise DesignError(
                    f"{name or 'CONV'}: an input {volume.channels} deep cannot be shared among {groups} groups",
                    expected=f"an input depth divisible by {groups}",
                )
            down, across = slides(word, volume, fit, name)
            return Volume(channels or 1, down.count, across.count)
        case Pool():
            down, across = slides(word, volume, fit, name)
            return Volume(volume.channels, down.count, across.count)
        case Fc(out_features=units):
            return Volume(units or 1, 1, 1)
        case Flatten():
            return Volume(volume.neurons, 1, 1)
        case _:
            return volume


def parameters(word: Word, volume: Volume) -> tuple[int, int]:
    """(weights, biases) that `word` learns when `volume` comes in."""
    match word:
        case Conv(out_channels=channels, groups=groups, bias=bias):
            height, width = word.kernel_size or DEFAULT_KERNEL
            filters = channels or 1
            return filters * (volume.channels // groups) * height * width, filters * bias
        case Fc(out_features=units, bias=bias):
            return (units or 1) * volume.neurons, (units or 1) * bias
        case BatchNorm():
            return volume.channels, volume.channels
        case _:
            return 0, 0


def _fit_error(word: Conv | Pool, volume: Volume, name: str) -> FitError:
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
    return FitError(
        f"{name}: a {across.size}x{down.size} window does not fit {volume} a whole number of times",
        got="\n".join(sums),
        remedy="\n".join(remedies),
    )


def _near_far(window: Window) -> str:
    return str(window.near) if window.near == window.far else f"{window.near}:{window.far}"
