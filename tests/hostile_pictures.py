"""Makers of odd and hostile files of pictures: each with what must be reported of it."""

import os
import random
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from data_makers import drawn, encoded
from PIL import Image

ORIENTATION = 274
# A file's name, its bytes, and words of the reason it must be refused for; '' where it must decode.
Odd = tuple[str, bytes, str]
CUT, LARGE, CLAIMS, NONE = "is damaged or cut off", "is too large", "claims more pixels", "is not a picture"


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags


def raw_exif(*entries: tuple[int, int, bytes]) -> bytes:
    """An EXIF block of entries (tag, type, four bytes of value), whatever they mean."""
    lines = b"".join(struct.pack("<HHI", tag, kind, 1) + value for tag, kind, value in entries)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + lines + bytes(4)


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def packed_zeros(count: int) -> bytes:
    """zlib's packing of that many zeros, at once: a megabyte's worth again and again."""
    block, left = 1_000_000, count % 1_000_000
    packer = zlib.compressobj(1, wbits=-15)
    again = (packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)) * (count // block)
    packer = zlib.compressobj(1, wbits=-15)
    check_sum = (count % 65521) << 16 | 1  # Adler-32 of zeros
    return b"\x78\x01" + again + packer.compress(bytes(left)) + packer.flush() + struct.pack(">I", check_sum)


def png(
    width: int, height: int, packed: bytes, depth: int = 8, colour: int = 0, extra: bytes = b"", laced: int = 0
) -> bytes:
    """A PNG of packed rows, each after its filter's byte. colour: 0 grey, 2 RGB, 3 palette, 4 LA, 6 RGBA."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, laced)
    chunks = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def flat_png(width: int, height: int, depth: int = 8, colour: int = 0, extra: bytes = b"") -> bytes:
    """A black PNG, packed about 1,000 to 1."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    return png(width, height, packed_zeros((1 + -(-width * depth * samples // 8)) * height), depth, colour, extra)


def png_of_one_shade(width: int, height: int, whole: bool = True) -> bytes:
    """A black PNG of one bit a pixel, a few kilobytes whatever its size; not whole: without its pixels."""
    return flat_png(width, height, depth=1) if whole else png(width, height, packed_zeros(0), depth=1)


def tiff(entries: dict[int, tuple[int, int]], pixels: bytes = b"", big_endian: bool = False) -> bytes:
    """A plain TIFF: tag -> (type, value), values in their four bytes; the pixels lie behind, in one strip."""
    order = ">" if big_endian else "<"
    start = 8 + 2 + 12 * (len(entries) + 1) + 4
    forms = {1: "B3x", 3: "H2x", 4: "I", 11: "f"}
    lines = b"".join(
        struct.pack(f"{order}HHI", tag, kind, 1) + struct.pack(order + forms[kind], value)
        for tag, (kind, value) in sorted({273: (4, start), **entries}.items())
    )
    head = b"MM\0*" if big_endian else b"II*\0"
    return head + struct.pack(f"{order}IH", 8, len(entries) + 1) + lines + bytes(4) + pixels


def grey_tiff(
    pixels: bytes,
    size: tuple[int, int],
    bits: int = 8,
    big_endian: bool = False,
    more: dict[int, tuple[int, int]] | None = None,
) -> bytes:
    """A grey TIFF, black is zero; more: further tags, or others in their place."""
    entries = {256: (4, size[0]), 257: (4, size[1]), 258: (3, bits), 259: (3, 1), 262: (3, 1), 277: (3, 1)}
    entries |= {278: (4, size[1]), 279: (4, len(pixels))}
    return tiff({**entries, **(more or {})}, pixels, big_endian)


def bmp(width: int, height: int, bits: int, pixels: bytes, packed: int = 0, palette: bytes = b"") -> bytes:
    """A BMP as Windows 3 wrote it; packed: 1 and 2 are run lengths of 8 and 4 bits."""
    offset = 54 + len(palette)
    colours = len(palette) // 4
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packed, len(pixels), 2835, 2835, colours, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + head + palette + pixels


def gif(width: int, height: int, image: tuple[int, int, int, int], lzw: bytes, flags: int = 0) -> bytes:
    """A GIF of two colours with one image block at (x, y, width, height)."""
    blocks = b"".join(bytes([len(lzw[at : at + 255])]) + lzw[at : at + 255] for at in range(0, len(lzw), 255))
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes([0, 0, 0, 255, 255, 255])
    return screen + b"," + struct.pack("<HHHHB", *image, flags) + b"\x02" + blocks + b"\0;"


def patched(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def resized_jpeg(content: bytes, width: int, height: int) -> bytes:
    """The JPEG with another size in its header (of the frame that starts with FF C0 or FF C2)."""
    at = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
    return patched(content, at + 5, struct.pack(">HH", height, width))


def many_scans(width: int, height: int, count: int) -> bytes:
    """A progressive JPEG whose last scan is there many times over."""
    whole = encoded(Image.new("L", (width, height)), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * count + whole[-2:]


def jpegs() -> Iterator[Odd]:
    picture = drawn(1, (48, 32))
    plain = encoded(picture, "JPEG")
    yield "plain.jpg", plain, ""
    yield "upper.JPG", plain, ""
    yield "a jpeg.png", plain, ""
    yield "progressive.jpg", encoded(picture, "JPEG", progressive=True), ""
    yield "grey.jpg", encoded(picture.convert("L"), "JPEG"), ""
    yield "cmyk.jpg", encoded(picture.convert("CMYK"), "JPEG"), ""
    yield "444.jpg", encoded(picture, "JPEG", subsampling=0, restart_marker_blocks=1), ""
    yield "mpo.jpg", encoded(picture, "MPO", save_all=True, append_images=[drawn(2, (48, 32))]), ""
    yield "1x1.jpg", encoded(Image.new("RGB", (1, 1)), "JPEG"), ""
    for orientation in (*range(10), 65535):
        yield f"exif {orientation}.jpg", encoded(picture, "JPEG", exif=exif(orientation)), ""
    for number, block in enumerate((b"", b"II*\0", b"nothing of the kind", b"II*\0\xff", b"II*\0\x08\0\0\0\xff\xff")):
        yield f"broken exif {number}.jpg", encoded(picture, "JPEG", exif=b"Exif\0\0" + block), ""
    yield "exif real.jpg", encoded(picture, "JPEG", exif=raw_exif((ORIENTATION, 11, b"\0\0\xc0\x40"))), ""
    yield "exif loop.jpg", encoded(picture, "JPEG", exif=raw_exif((0x8769, 4, b"\x08\0\0\0"))), ""
    yield "broken profile.jpg", encoded(picture, "JPEG", icc_profile=b"no profile at all"), ""
    yield "long comment.jpg", encoded(picture, "JPEG", comment=b"c" * 60_000), ""
    yield "garbage behind.jpg", plain + random.Random(1).randbytes(2000), ""
    yield "zeros behind.jpg", plain + bytes(2000), ""
    yield "half a second picture behind.jpg", plain + plain[: len(plain) // 2], ""
    thumbnail = raw_exif() + plain
    for share in (0.3, 0.5, 0.7, 0.9):
        yield f"cut {share}.jpg", plain[: int(len(plain) * share)], CUT
    with_thumbnail = encoded(picture, "JPEG", exif=thumbnail)
    yield "cut beside a whole thumbnail.jpg", with_thumbnail[: len(with_thumbnail) - 200], CUT
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
    exact = encoded(noise, "JPEG", subsampling=0)
    yield "without its end.jpg", exact[:-2], "its end is missing"
    yield "without half its end.jpg", exact[:-1], "its end is missing"
    yield "header only.jpg", b"\xff\xd8\xff", CUT
    yield "until its pixels.jpg", plain[: plain.index(b"\xff\xda")], CUT
    yield "without tables.jpg", plain.replace(b"\xff\xc4", b"\xff\xfe"), ""  # those of the standard are taken
    yield "12 bits.jpg", patched(plain, plain.index(b"\xff\xc0") + 4, b"\x0c"), CUT
    yield "no height.jpg", resized_jpeg(plain, 48, 0), CUT
    yield "shorter than told.jpg", resized_jpeg(plain, 48, 320), ""  # libjpeg fills the rows up, and tells nobody
    yield "claims 65500x65500.jpg", resized_jpeg(plain, 65500, 65500), LARGE
    yield "claims 7000x7000.jpg", resized_jpeg(plain, 7000, 7000), CLAIMS
    yield "101 scans.jpg", many_scans(64, 64, 101), "too many scans"
    yield "20 scans.jpg", many_scans(64, 64, 12), ""


def pngs() -> Iterator[Odd]:
    picture = drawn(3, (48, 32))
    plain = encoded(picture)
    alpha = picture.copy()
    alpha.putalpha(drawn(4, (48, 32), "L"))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        held = alpha if mode == "RGBA" else Image.new(mode, (48, 32)) if mode == "I;16" else alpha.convert(mode)
        yield f"mode {mode}.png", encoded(held), ""
    yield "a png.jpg", plain, ""
    yield "palette clear.png", encoded(picture.quantize(8), transparency=bytes([255, 0, 9])), ""
    yield "palette 2 bits.png", encoded(picture.quantize(4), bits=2), ""
    yield "key.png", encoded(picture, transparency=picture.getpixel((0, 0))), ""
    yield "16 bits rgb.png", flat_png(4, 3, 16, 2), ""
    yield "16 bits rgba.png", flat_png(4, 3, 16, 6), ""
    yield "16 bits la.png", flat_png(4, 3, 16, 4), ""
    yield "interlaced.png", png(1, 1, zlib.compress(b"\0\x80"), laced=1), ""
    yield "animated.png", encoded(picture, save_all=True, append_images=[drawn(5, (48, 32))]), ""
    yield "exif.png", encoded(picture, exif=exif(6)), ""
    yield "exif behind the pixels.png", plain[:-12] + png_chunk(b"eXIf", exif(6).tobytes()[6:]) + plain[-12:], ""
    yield "garbage behind.png", plain + random.Random(2).randbytes(2000), ""
    yield "flat 4000x3000.png", flat_png(4000, 3000, 8, 2), ""
    yield "flat 1 bit 8000x6000.png", png_of_one_shade(8000, 6000), ""
    turned = png_chunk(b"eXIf", exif(6).tobytes()[6:])
    yield "clear, turned and as large as may be.png", flat_png(8000, 6250, 8, 6, turned), ""
    yield "16 bits palette.png", png(2, 2, packed_zeros(10), 16, 3, png_chunk(b"PLTE", bytes(6))), CUT
    yield "kind 5.png", png(2, 2, packed_zeros(10), 8, 5), CUT
    yield "no palette.png", png(2, 2, zlib.compress(b"\0\0\1\0\1\0"), 8, 3), ""
    yield (
        "index without colour.png",
        png(2, 2, zlib.compress(b"\0\0\7\0\xff\0"), 8, 3, png_chunk(b"PLTE", bytes(6))),
        "",
    )
    yield "unknown chunk.png", png(2, 2, packed_zeros(6), extra=png_chunk(b"vpAg", b"12345")), ""
    yield "no width.png", png(0, 5, packed_zeros(5)), CUT
    yield "wrong check sum.png", patched(plain, 29, bytes([plain[29] ^ 255])), CUT
    at = plain.index(b"IDAT") + 10
    yield "wrong pixels.png", patched(plain, at, bytes([plain[at] ^ 255])), CUT
    at = plain.index(b"IDAT") + 4 + struct.unpack(">I", plain[plain.index(b"IDAT") - 4 :][:4])[0]
    yield "wrong sum of pixels.png", patched(plain, at, bytes([plain[at] ^ 255])), CUT
    for share in (0.1, 0.5, 0.9):
        yield f"cut {share}.png", plain[: int(len(plain) * share)], CUT
    yield "without its end.png", plain[:-12], CUT
    yield "without pixels.png", plain[:33] + plain[-12:], CUT
    yield "text mode.png", plain.replace(b"\r\n", b"\n"), NONE
    yield "claims 60000x60000.png", png_of_one_shade(60000, 60000, whole=False), LARGE
    yield "flat 20000x20000.png", png_of_one_shade(20000, 20000), LARGE
    yield "claims 7000x7000.png", png_of_one_shade(7000, 7000, whole=False), CLAIMS
    text = packed_zeros(80_000_000)
    yield "text bomb.png", plain[:33] + png_chunk(b"zTXt", b"Comment\0\0" + text) + plain[33:], CUT
    yield "profile bomb.png", plain[:33] + png_chunk(b"iCCP", b"profile\0\0" + text) + plain[33:], CUT
    many = png_chunk(b"tEXt", b"a\0b") * 20_000
    yield "many texts.png", plain[:33] + many + plain[33:], ""
    yield "far more rows than told.png", png(4, 3, packed_zeros(5_000_000)), ""


def gifs() -> Iterator[Odd]:
    picture = drawn(6, (48, 32))
    plain = encoded(picture, "GIF")
    lzw = bytes([0x44, 0x02, 0x05])
    yield "plain.gif", plain, ""
    yield "animated.gif", encoded(picture, "GIF", save_all=True, append_images=[drawn(7, (48, 32))]), ""
    yield "clear.gif", encoded(picture.quantize(8), "GIF", transparency=1), ""
    yield "tiny.gif", gif(1, 1, (0, 0, 1, 1), lzw), ""
    yield "cut.gif", plain[: len(plain) // 2], CUT
    yield "header only.gif", b"GIF89a", CUT
    yield "no image.gif", plain[:13] + b";", CUT
    yield "wrong codes.gif", gif(9, 9, (0, 0, 9, 9), b"\xff" * 40), CUT
    yield "too few codes.gif", gif(9, 9, (0, 0, 9, 9), lzw), CUT
    yield "claims 65535x65535.gif", gif(65535, 65535, (0, 0, 1, 1), lzw), LARGE
    yield "image beyond the screen.gif", gif(2, 2, (60000, 60000, 5000, 5000), lzw), LARGE
    yield "claims 5000x5000.gif", gif(5000, 5000, (0, 0, 1, 1), lzw), CLAIMS
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x03" + lzw + b"\0"
    yield "50000 frames.gif", plain[:-1] + frame * 50_000 + b";", ""


def bmps() -> Iterator[Odd]:
    palette = bytes([0, 0, 0, 0, 255, 255, 255, 0])
    yield "plain.bmp", encoded(drawn(8), "BMP"), ""
    yield "1 bit.bmp", encoded(drawn(8, mode="1"), "BMP"), ""
    yield "32 bits.bmp", bmp(2, 2, 32, bytes(16)), ""
    yield "16 bits.bmp", bmp(2, 2, 16, bytes(8)), ""
    yield "top down.bmp", bmp(2, -2, 24, bytes(16)), ""
    yield "run lengths.bmp", bmp(4, 2, 8, bytes([4, 1, 0, 0, 4, 0, 0, 1]), 1, palette), ""
    yield "run lengths 4.bmp", bmp(4, 2, 4, bytes([4, 0x10, 0, 0, 4, 1, 0, 1]), 2, palette), ""
    yield "cut.bmp", bmp(9, 9, 24, bytes(100)), CUT
    yield "no pixels.bmp", b"BM" + bytes(20), CUT
    yield "run lengths cut.bmp", bmp(4, 4, 8, bytes([4, 1, 0, 0]), 1, palette), CUT
    yield "claims 60000x60000.bmp", bmp(60000, 60000, 24, b""), LARGE
    yield "claims huge top down.bmp", bmp(2**30, -(2**31), 24, b""), LARGE
    yield "ends of line.bmp", bmp(7000, 7000, 8, bytes(20_000), 1, palette), CLAIMS
    yield "ends of line 3900x3900.bmp", bmp(3900, 3900, 8, b"\1\1" + bytes(8000), 1, palette), CUT
    yield "packed as nothing known.bmp", bmp(2, 2, 24, bytes(16), 9), CUT


def tiffs() -> Iterator[Odd]:
    picture = drawn(9, (48, 32))
    for packed in (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        yield f"{packed}.tif", encoded(picture, "TIFF", compression=packed), ""
    yield "group4.tif", encoded(picture.convert("1"), "TIFF", compression="group4"), ""
    for mode in ("L", "LA", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I;16B", "I", "F", "P"):
        held = Image.new(mode, (9, 7)) if mode.startswith("I") or mode == "F" else picture.convert("RGB")
        held = Image.new(mode, (9, 7)) if mode in ("LAB", "LA") else held.convert(mode)
        yield f"mode {mode}.tif", encoded(held, "TIFF"), ""
    pages = encoded(picture, "TIFF", save_all=True, append_images=[drawn(10)] * 3)
    yield "pages.tif", pages, ""
    yield "exif.tif", encoded(picture, "TIFF", exif=exif(8)), ""
    yield "big.tif", encoded(picture, "TIFF", big_tiff=True), ""
    yield "big endian.tif", grey_tiff(bytes(range(12)), (3, 2), 16, big_endian=True), ""
    yield "white is zero.tif", grey_tiff(bytes(6), (3, 2), more={262: (3, 0)}), ""
    yield "reals to 255.tif", grey_tiff(struct.pack("<2f", 0, 255), (2, 1), 32, more={339: (3, 3)}), "are no shades"
    told = {339: (3, 3), 341: (11, 255)}
    yield "reals to 255 told.tif", grey_tiff(struct.pack("<2f", 0, 255), (2, 1), 32, more=told), ""
    no_number = struct.pack("<2f", float("nan"), 0)
    yield "no numbers.tif", grey_tiff(no_number, (2, 1), 32, more={339: (3, 3)}), "are no shades"
    yield "32 bits.tif", encoded(Image.new("I", (2, 2), 70_000), "TIFF"), "more than 16 bits"
    yield "64 bits.tif", grey_tiff(bytes(64), (2, 2), 64), CUT
    yield "cut.tif", encoded(picture, "TIFF")[:-500], CUT
    yield "header only.tif", b"II*\0\x08\0\0\0", CUT
    yield "list beyond the end.tif", b"II*\0" + struct.pack("<I", 10**6) + bytes(50), CUT
    yield "no entries.tif", b"II*\0" + struct.pack("<IHI", 8, 0, 0) + bytes(50), CUT
    yield "65535 entries.tif", b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(50), CUT
    yield "one strip for ever.tif", grey_tiff(bytes(6), (3, 2), more={278: (4, 2**32 - 1)}), ""
    yield "huge strip.tif", grey_tiff(bytes(6), (3, 2), more={279: (4, 2**32 - 1)}), ""
    yield "strip beyond the end.tif", grey_tiff(bytes(6), (3, 2), more={273: (4, 2**31)}), CUT
    packed = packed_zeros(80_000_000)
    tile = {259: (3, 8), 322: (4, 30000), 323: (4, 30000), 324: (4, 200), 325: (4, len(packed))}
    yield "huge tile.tif", grey_tiff(packed, (30, 30), more=tile), LARGE
    yield "claims 100000x100000.tif", grey_tiff(b"", (100_000, 100_000)), LARGE
    yield "claims 7000x7000.tif", grey_tiff(b"", (7000, 7000)), CLAIMS
    wide = {258: (3, 16), 259: (3, 8)}
    yield "unpacks to more than told.tif", grey_tiff(packed, (60, 60), more=wide), ""
    yield "a value of 2 billion bytes.tif", patched(grey_tiff(bytes(6), (3, 2)), 8 + 2 + 12 * 2 + 4, b"\0\0\0\x40"), ""
    yield "pages in a circle.tif", in_a_circle(grey_tiff(bytes(6), (3, 2))), ""
    empty = 20_000
    lists = b"".join(struct.pack("<HI", 0, 8 + 6 * (at + 1)) for at in range(empty))
    yield "20000 empty pages.tif", b"II*\0" + struct.pack("<I", 8) + lists, CUT


def in_a_circle(content: bytes) -> bytes:
    """A TIFF whose next page is its first."""
    (entries,) = struct.unpack_from("<H", content, 8)
    return patched(content, 10 + 12 * entries, struct.pack("<I", 8))


def webps() -> Iterator[Odd]:
    picture = drawn(11, (48, 32))
    plain = encoded(picture, "WEBP")
    alpha = picture.copy()
    alpha.putalpha(100)
    yield "plain.webp", plain, ""
    yield "lossless.webp", encoded(picture, "WEBP", lossless=True), ""
    yield "alpha.webp", encoded(alpha, "WEBP"), ""
    yield "animated.webp", encoded(picture, "WEBP", save_all=True, append_images=[drawn(12, (48, 32))]), ""
    yield "exif.webp", encoded(picture, "WEBP", exif=exif(5)), ""
    for share in (0.3, 0.6, 0.9):
        yield f"cut {share}.webp", plain[: int(len(plain) * share)], CUT
    yield "header only.webp", b"RIFF\x10\0\0\0WEBP", CUT
    canvas = b"VP8X" + struct.pack("<IB3x", 10, 0) + b"\xff\x3f\0\xff\x3f\0"
    yield "claims 16384x16384.webp", b"RIFF" + struct.pack("<I", 22) + b"WEBP" + canvas, LARGE
    yield "flat 6000x5000.webp", encoded(Image.new("RGB", (6000, 5000)), "WEBP", method=0), LARGE
    yield "nothing inside.webp", b"RIFF" + struct.pack("<I", 4 + 8) + b"WEBPVP8 " + bytes(4), CUT


def pnms() -> Iterator[Odd]:
    yield "plain.ppm", encoded(drawn(13), "PPM"), ""
    yield "grey.pgm", encoded(drawn(13, mode="L"), "PPM"), ""
    yield "bits.pbm", encoded(drawn(13, mode="1"), "PPM"), ""
    yield "text.pnm", b"P3 2 1 255 1 2 3 4 5 6", ""
    yield "text bits.pbm", b"P1 2 2 0 1 1 0", ""
    yield "16 bits.pgm", b"P5 2 1 65535\n" + bytes(4), ""
    yield "10 bits.pgm", b"P5 2 1 1023\n" + bytes(4), ""
    yield "cut.ppm", b"P6 9 9 255\n" + bytes(100), CUT
    yield "text cut.ppm", b"P3 9 9 255\n1 2 3", CUT
    yield "text too bright.ppm", b"P2 1 1 255\n256", CUT
    yield "no width.ppm", b"P6 0 9 255\n", NONE
    yield "below zero.ppm", b"P6 -9 9 255\n" + bytes(300), NONE
    yield "no shades.ppm", b"P6 9 9 0\n" + bytes(300), CUT
    yield "many digits.ppm", b"P6 " + b"9" * 5000 + b" 9 255\n", CUT
    yield "long remark.ppm", b"P6 #" + b"x" * 500_000 + b"\n1 1 255\n" + bytes(3), ""
    yield "claims 99999x99999.ppm", b"P6 99999 99999 255\n", LARGE
    yield "claims 6000x6000.ppm", b"P6 6000 6000 255\n", CLAIMS


def no_pictures() -> Iterator[Odd]:
    yield "empty.jpg", b"", NONE
    yield "text.jpg", b"404: Not Found\n", "(text)"
    yield "page.png", b"<!DOCTYPE html><html><body>gone</body></html>", "(text)"
    yield "drawing.png", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "(text)"
    yield "other letters.png", "größer\n".encode() * 200, "(text)"
    yield "wide letters.png", "text".encode("utf-16"), "bytes that begin with ff fe"
    yield "zip.png", b"PK\x03\x04" + bytes(40), "bytes that begin with 50 4b"
    yield "zeros.png", bytes(3000), "bytes that begin with 00"
    yield "noise.png", b"\x93" + random.Random(3).randbytes(3000), NONE
    yield "print.tif", encoded(drawn(1), "PDF"), NONE
    yield "program.bmp", b"%!PS-Adobe-3.0 EPSF-3.0\n", NONE
    for kind, head in {"HEIC": b"\0\0\0\x18ftypheic", "AVIF": b"\0\0\0\x18ftypavif", "Photoshop": b"8BPS\0\1"}.items():
        yield f"{kind}.jpg", head + bytes(80), f"of a kind that is not decoded ({kind}"
    yield "jpeg 2000.jpg", encoded(drawn(1), "JPEG2000"), "(JPEG 2000)"
    yield "windows.ico", encoded(drawn(1), "ICO"), "bytes that begin with"


def odd_names() -> Iterator[Odd]:
    plain, broken = encoded(drawn(20)), encoded(drawn(20))[:-60]
    for number, name in enumerate(
        ("line\nbreak{}.png", "bell\a\x1b[31m{}.png", os.fsdecode(b"\xff\xfe{}.png"), "ü{}.png")
    ):
        yield name.format("good"), plain, ""
        yield name.format(f"bad{number}"), broken, CUT
    yield "l" * 251 + ".png", broken, CUT


def odd_files() -> list[Odd]:
    """Every odd file, its name unlike the others'."""
    makers = (jpegs, pngs, gifs, bmps, tiffs, webps, pnms, no_pictures, odd_names)
    found = [odd for make in makers for odd in make()]
    assert len({name for name, _, _ in found}) == len(found)
    return found


def write_zoo(folder: Path) -> dict[Path, str]:
    """Odd files, and what is no file at all, written into a folder: path -> words of the reason."""
    expected = {}
    for name, content, words in odd_files():
        (folder / name).write_bytes(content)
        expected[folder / name] = words
    (folder / "directory.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    (folder / "device.jpg").symlink_to("/dev/zero")
    (folder / "link.jpg").symlink_to("plain.jpg")
    (folder / "dead.jpg").symlink_to("gone\n.jpg")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    return expected | {
        folder / "directory.jpg": "Is a directory",
        folder / "pipe.jpg": "a pipe or a device, not a file",
        folder / "device.jpg": "a pipe or a device, not a file",
        folder / "link.jpg": "",
        folder / "dead.jpg": "a link to gone\\n.jpg, which leads to no file",
        folder / "loop.jpg": "a link to loop.jpg, which leads to no file",
        folder / "gone.jpg": "No such file",
        folder / ("l" * 300): "File name too long",
        folder / "nul\0.jpg": "null byte",
    }


def bound_socket(path: Path) -> socket.socket:
    """A socket that lies at that path, for as long as it is open."""
    held = socket.socket(socket.AF_UNIX)
    held.bind(str(path))
    return held
