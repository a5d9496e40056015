"""Bytes -> a picture as it is meant to be seen: upright, 8 bits deep, grey or RGB, nothing hidden behind alpha.

Pillow decodes; torchvision's decoder crashes the process on damaged PNGs.
"""

import os
import stat
import struct
import threading
import warnings
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from torchbeam.data import bounds
from torchbeam.data.scans import scans
from torchbeam.data.shades import eight_bits
from torchbeam.errors import PictureError

# The decoders that bytes from outside may reach.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
_PNM = (".ppm", ".pgm", ".pbm", ".pnm")
SUFFIXES = frozenset({*_JPEG, ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", *_PNM})
# Files that are pictures by their name and are not decoded, so that what is passed over can be told.
_PHONES = (".heic", ".heif", ".avif")
_CAMERAS = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2")
ELSEWHERE = frozenset(
    {*_PHONES, *_CAMERAS, ".jp2", ".j2k", ".jxl", ".psd", ".svg", ".exr", ".hdr", ".tga", ".ico", ".dcm"}
)
MAX_PIXELS = bounds.MAX_PIXELS
# The largest there can honestly be: 50 million pixels of four channels and 16 bits are 400 million bytes.
MAX_BYTES = 500_000_000


def read_bytes(path: Path) -> bytes:
    """The bytes of a picture's file; never waits for a pipe or a device. Raises PictureError."""
    with _open_file(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                raise PictureError(
                    f"{shown(path)} is too large a file",
                    expected=f"at most {MAX_BYTES // 1_000_000} million bytes",
                    got=f"{size:,}",
                    remedy="store it smaller",
                )
            return file.read()
        except OSError as error:
            raise _cannot_read(path, error.strerror or str(error)) from error


def size_of(path: Path, name: str) -> tuple[int, int]:
    """(width, height) of the picture in a file, upright, from its header alone. Raises PictureError.

    A PNG may hold its orientation behind its pixels, so one that seems to is decoded.
    """
    name = shown(name)
    with _HUSH, _open_file(path) as file:
        image = _opened(file, name)
        if image.format == "PNG" and "exif" not in image.info:
            file.seek(0)
            content = file.read()
            return see(content, name).size if any(word in content for word in _PNG_EXIF) else image.size
        # Pillow turns TIFFs itself, and tells the upright size.
        return image.size if image.format == "TIFF" else _turned_size(image.size, _orientation(image))


@dataclass(frozen=True, slots=True)
class Seen:
    """image: upright, in mode L or RGB, perhaps reduced. size: (width, height) of the whole, upright. alpha: some
    pixel was not opaque. orientation: as stored, EXIF's 1 to 8. stored: the file as Pillow opened it, for what its
    header says; its pixels may be gone.
    """

    image: Image.Image
    size: tuple[int, int]
    alpha: bool
    orientation: int
    stored: Image.Image


def decode(content: bytes, name: str, least: tuple[int, int] | None = None) -> Image.Image:
    """The picture in `content`, upright, in mode L or RGB; of an animation the first frame.

    least: (width, height) that will do; a larger JPEG comes at a half, a quarter or an eighth of its scale, both
    sides at least that. Raises PictureError, which names the picture, when it is damaged, too large or no picture
    at all.
    """
    return see(content, name, least).image


def see(content: bytes, name: str, least: tuple[int, int] | None = None) -> Seen:
    """As `decode`, with what the file says of the picture. Raises PictureError."""
    name = shown(name)
    with _HUSH:
        stored = _opened(BytesIO(content), name)
        whole = stored.size
        passes: int | None = 1
        if isinstance(stored, JpegImageFile):
            passes = scans(content, len(stored.layer))
            if least:
                width, height = _turned_size(least, _orientation(stored))
                stored.draft(stored.mode, (max(1, width), max(1, height)))
        if passes is None:
            raise _damaged(name, "its end is missing")
        with bounds.room(bounds.check(stored, whole, passes, len(content), name)):
            told = _orientation(stored) if stored.format == "TIFF" else 1
            _load(stored, content, name)
            turn = _orientation(stored)  # 1 of every TIFF, which Pillow turned
            flat, alpha = _flat(stored, name)
            if flat is not stored:
                stored.close()  # its pixels' memory is free before the picture is turned
            return Seen(_turned(flat, turn), _turned_size(whole, turn), alpha, max(told, turn), stored)


def from_image(image: Image.Image, name: str = "the picture") -> Image.Image:
    """A decoded picture upright by its EXIF, in mode L or RGB, alpha laid on white. Raises PictureError."""
    name = shown(name)
    with _HUSH:
        return _turned(_flat(image, name)[0], _orientation(image))


def from_array(pixels: np.ndarray, name: str = "the array") -> Image.Image:
    """A picture from an array of bytes, shape (H, W) or (H, W, 1, 3 or 4), alpha laid on white. Raises PictureError."""
    name, shape = shown(name), pixels.shape
    if pixels.ndim == 3 and shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and shape[2] in (3, 4))):
        raise PictureError(
            f"{name} is not a picture",
            expected="uint8 pixels 0 to 255 of shape (height, width) or (height, width, 3 or 4)",
            got=f"{pixels.dtype} of shape {shape}",
        )
    if 0 in shape:
        raise PictureError(f"{name} has no pixels", got=f"shape {shape}")
    return from_image(Image.fromarray(np.ascontiguousarray(pixels)), name)


def shown(name: object) -> str:
    """A name as it may stand in a line of text: line breaks, control characters and stray bytes as escapes."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in str(name)
    )


def _open_file(path: Path) -> BinaryIO:
    """A file open for reading. Raises PictureError for all that is no regular file, without waiting for it."""
    try:
        # A pipe nobody writes to would be waited for without O_NONBLOCK, which Windows lacks, as it lacks such pipes.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise _cannot_read(path, _link(path) or error.strerror or str(error)) from error
    except ValueError as error:  # a name no file can have
        raise _cannot_read(path, str(error)) from error
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return open(handle, "rb")
    os.close(handle)
    raise _cannot_read(path, "Is a directory" if stat.S_ISDIR(mode) else "a pipe or a device, not a file")


def _link(path: Path) -> str:
    """What is wrong with a link that leads to no file; '' where it is no link."""
    try:
        return f"a link to {shown(os.readlink(path))}, which leads to no file"
    except OSError:
        return ""


def _cannot_read(path: Path, got: str) -> PictureError:
    return PictureError(f"cannot read {shown(path)}", got=got, remedy="check the path")


def _opened(file: BinaryIO, name: str) -> Image.Image:
    """A picture's header read, its pixels not yet. Raises PictureError."""
    start = file.read(512)
    file.seek(0)
    try:
        if start.startswith(b"\xff\xd8\xff"):
            # Not by Image.open, which refuses sizes that are harmless at a reduced scale, and sees several pictures
            # in what some phones call JPEG (MPO), of which the first is meant.
            return JpegImageFile(file)
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        raise _not_a_picture(start, name) from None
    except Image.DecompressionBombError as error:
        raise bounds.too_large(name, str(error).split(",")[0]) from None
    except Exception as error:  # Pillow's readers raise many kinds on damaged files
        raise _damaged(name, error) from None


def _load(image: Image.Image, content: bytes, name: str) -> None:
    """The pixels decoded. Raises PictureError."""
    try:
        image.load()
        if image.format == "PNG":  # Pillow stops reading before the check sum that tells of wrong pixels
            _check_sums(content)
    except Exception as error:
        raise _damaged(name, error) from None


def _check_sums(content: bytes) -> None:
    """Raises where a chunk of a PNG does not match its check sum, or the last one is missing (PNG, section 5)."""
    at = 8
    while True:
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"IEND":
            return
        end = at + 8 + length
        (told,) = struct.unpack_from(">I", content, end)
        if zlib.crc32(memoryview(content)[at + 4 : end]) != told:
            raise ValueError(f"wrong check sum in {kind.decode('latin-1')}")
        at = end + 4


def _flat(image: Image.Image, name: str) -> tuple[Image.Image, bool]:
    """In 8 bits, and whether any pixel was not opaque. Raises PictureError."""
    try:
        return eight_bits(image, name)
    except PictureError:
        raise
    except Exception as error:  # a mode or a file that Pillow opens but cannot convert
        raise _damaged(name, error) from None


# EXIF's orientation (tag 274) and what turns the picture upright; from 5 on its sides change places.
_ORIENTATION = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Where EXIF may be: in Pillow's info of an open picture, and in the bytes of a PNG.
_INFO_EXIF = frozenset({"exif", "xmp", "Raw profile type exif", "XML:com.adobe.xmp"})
_PNG_EXIF = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")


def _orientation(image: Image.Image) -> int:
    """1 to 8, as EXIF numbers them."""
    if image.format != "TIFF" and _INFO_EXIF.isdisjoint(image.info):
        return 1  # getexif would look for what is not there, at some cost
    try:
        told = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
    return told if isinstance(told, int) and told in _TURNS else 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    if orientation == 1:
        return image
    turned = image.transpose(_TURNS[orientation])
    turned.info = {}  # whoever looks there would turn it once more
    return turned


def _turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation >= 5 else size


class _Hush:
    """Keeps Pillow's warnings about odd files off the screen while any thread decodes; what matters is raised.

    Warning filters belong to the whole process, so the first thread in changes them and the last one out
    puts them back.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.filters = warnings.catch_warnings()
                self.filters.__enter__()
                warnings.simplefilter("ignore")

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.filters.__exit__(None, None, None)


_HUSH = _Hush()


def _damaged(name: str, got: object) -> PictureError:
    told = shown(" ".join(str(got).split())[:200]) or type(got).__name__
    return PictureError(f"{name} is damaged or cut off", got=told, remedy="get the file again")


# How the files of each format begin, and those of pictures that are not decoded here.
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_OTHERS = {
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"8BPS": "Photoshop",
}


def _not_a_picture(start: bytes, name: str) -> PictureError:
    text = start.decode("utf-8", "replace").removesuffix("\ufffd")  # a letter may be cut in two
    if start.startswith(_BEGINNINGS) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"):
        return _damaged(name, "a beginning that cannot be read")
    other = next((kind for beginning, kind in _OTHERS.items() if start.startswith(beginning)), "")
    if start[4:8] == b"ftyp":
        other = "AVIF" if start[8:12] in (b"avif", b"avis") else "HEIC, or another kind of film or picture"
    expected = "JPEG, PNG, WebP, BMP, GIF, TIFF or PPM"
    if other:
        what = f"{name} is of a kind that is not decoded"
        return PictureError(what, expected=expected, got=other, remedy="convert it to JPEG or PNG")
    if not start:
        got = "an empty file"
    elif all(letter.isprintable() or letter.isspace() for letter in text):
        got = "text"
    else:
        got = f"bytes that begin with {start[:8].hex(' ')}"
    return PictureError(f"{name} is not a picture", expected=expected, got=got)
