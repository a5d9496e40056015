"""How many frames the file of a picture holds, by its structure, without decoding any.

Pillow's own count of a TIFF's pages takes time by their square, and of a GIF's frames much longer than one look.
"""

import struct

from PIL import Image


def frames(image: Image.Image, content: bytes) -> int:
    """1 unless animated, or a TIFF of several pages. image: opened from `content`."""
    if image.format == "GIF":
        return max(1, _gif_frames(content))
    if image.format == "TIFF":
        return max(1, _tiff_pages(content))
    return max(1, getattr(image, "n_frames", 1))


def _gif_frames(content: bytes) -> int:
    """Image blocks of a GIF (GIF89a specification, appendix B), up to the first byte that is no block."""
    count, at = 0, 13 + _palette(content[10:11])
    while content[at : at + 1] in (b"!", b","):
        if content[at : at + 1] == b",":
            count += 1
            at += 11 + _palette(content[at + 9 : at + 10])
        else:
            at += 2
        while size := content[at : at + 1]:  # blocks of up to 255 bytes, the last one empty
            at += 1 + size[0]
            if not size[0]:
                break
    return count


def _palette(flags: bytes) -> int:
    """The bytes of the palette that a byte of flags announces."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 128 else 0


def _tiff_pages(content: bytes) -> int:
    """Image file directories of a TIFF, each of which says where the next lies (TIFF 6.0, section 2; BigTIFF)."""
    order = "<" if content[:2] == b"II" else ">"
    big = content[2:4] in (b"+\0", b"\0+")
    count_form, entry, place_form = (order + "Q", 20, order + "Q") if big else (order + "H", 12, order + "I")
    seen: set[int] = set()
    try:
        (at,) = struct.unpack_from(place_form, content, 8 if big else 4)
        while at and at not in seen:
            (entries,) = struct.unpack_from(count_form, content, at)
            behind = at + struct.calcsize(count_form) + entries * entry
            seen.add(at)
            (at,) = struct.unpack_from(place_form, content, behind)
    except (struct.error, OverflowError):  # the list is cut off
        pass
    return len(seen)
