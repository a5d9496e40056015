"""Makers of damaged files of pictures: small real ones, changed by chance."""

import random
from collections.abc import Iterator

from data_makers import drawn, encoded
from hostile_pictures import bmp, exif, grey_tiff
from PIL import Image

MAKER, RESOLUTION = 271, 282  # EXIF's tags


def seeds() -> dict[str, bytes]:
    """Small valid files of every kind, with the extras that real ones carry."""
    picture, turned = drawn(5), drawn(6)
    tags = exif(6)
    tags[MAKER], tags[RESOLUTION] = "Maker", 72.0
    tags.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    frames = {"save_all": True, "append_images": [turned]}
    return {
        "png": encoded(picture, "PNG", exif=tags, dpi=(72, 72)),
        "png palette": encoded(picture.quantize(8), "PNG", transparency=bytes([0, 80, 255])),
        "png 16 bit": encoded(Image.new("I;16", (9, 7), 3000), "PNG"),
        "png animated": encoded(picture, "PNG", **frames),
        "jpeg": encoded(picture, "JPEG", exif=tags),
        "jpeg progressive": encoded(picture, "JPEG", progressive=True),
        "jpeg cmyk": encoded(picture.convert("CMYK"), "JPEG"),
        "jpeg of two": encoded(picture, "MPO", exif=tags, **frames),
        "gif": encoded(picture, "GIF", **frames),
        "bmp": encoded(picture, "BMP"),
        "bmp 1 bit": encoded(picture.convert("1"), "BMP"),
        "bmp run lengths": bmp(4, 2, 8, bytes([4, 1, 0, 0, 4, 0, 0, 1]), 1, bytes(8)),
        "tiff": encoded(picture, "TIFF"),
        "tiff packed": encoded(picture, "TIFF", compression="tiff_lzw"),
        "tiff deflated": encoded(picture, "TIFF", compression="tiff_adobe_deflate"),
        "tiff of two": encoded(drawn(5), "TIFF", save_all=True, append_images=[drawn(6)]),
        "tiff real": encoded(picture.convert("F").point(lambda value: value / 256), "TIFF"),
        "tiff grey alpha": grey_tiff(bytes(range(40)), (5, 4), more={277: (3, 2), 338: (3, 1)}),
        "tiff 16 bit": grey_tiff(bytes(range(40)), (5, 4), 16),
        "webp": encoded(picture, "WEBP", exif=tags),
        "webp lossless": encoded(picture.convert("RGBA"), "WEBP", lossless=True),
        "webp animated": encoded(picture, "WEBP", **frames),
        "ppm": encoded(picture, "PPM"),
        "pgm text": b"P2\n3 2\n255\n1 2 3 4 5 6\n",
        "pfm": encoded(picture.convert("F").point(lambda value: value / 256), "PPM"),
    }


def mutations(rounds: int) -> Iterator[tuple[str, bytes]]:
    """(kind, bytes): every seed changed in that many ways: bytes changed, out or in, ends cut, halves swapped."""
    for kind, whole in seeds().items():
        for turn in range(rounds):
            yield kind, _mutated(whole, random.Random(f"{kind} {turn}"))


def _mutated(whole: bytes, chance: random.Random) -> bytes:
    content = bytearray(whole)
    reach = chance.choice([len(whole), 48, 200])  # headers are short and hold the traps
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(min(reach, len(content)))
        match chance.randrange(6):
            case 0:
                content[at] = chance.randrange(256)
            case 1:
                content[at] = chance.choice([0, 1, 127, 128, 255])
            case 2:
                content[at] ^= 1 << chance.randrange(8)
            case 3:
                del content[at : at + chance.randint(1, 8)]
            case 4:
                content[at:at] = chance.randbytes(chance.randint(1, 8))
            case 5:
                begin = chance.randrange(len(content))
                content[at:at] = content[begin : begin + chance.randint(1, 64)]
        if not content:
            break
    shape = chance.random()
    if shape < 0.1:
        content = content[: chance.randrange(len(content) + 1)]
    elif shape < 0.15:
        content = content[len(content) // 2 :] + content[: len(content) // 2]
    return bytes(content)
