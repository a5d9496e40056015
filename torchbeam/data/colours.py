"""The colours that VOC shows classes in, which most viewers of masks share."""


def colour(number: int) -> tuple[int, int, int]:
    """Red, green and blue of class `number`, 0 being black.

    The number's lowest three bits go to the highest bits of red, green and blue, the next three to the next, and so
    on. Source: `VOClabelcolormap` in the VOC development kit (Everingham et al.).
    """
    red = green = blue = 0
    for place in range(7, -1, -1):
        red |= (number & 1) << place
        green |= (number >> 1 & 1) << place
        blue |= (number >> 2 & 1) << place
        number >>= 3
    return red, green, blue


def palette() -> list[int]:
    """The colours of 0 to 255, one after the other: what a PNG with a palette asks for."""
    return [shade for number in range(256) for shade in colour(number)]
