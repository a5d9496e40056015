"""How many scans a JPEG is stored in, and whether its end is there; Pillow tells neither (ITU-T T.81, annex B)."""

import re

# In a scan FF 00 stands for the byte FF and FF D0 to FF D7 mark places to restart; FF anything else ends it.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_START, _END, _START_OF_SCAN, _ALONE = 0xD8, 0xD9, 0xDA, 0x01
_PLAIN = (0xC0, 0xC1, 0xC3, 0xC9, 0xCB)  # frames whose scan is the only one where it holds every layer


def scans(content: bytes, layers: int) -> int | None:
    """The number of scans of a picture of so many layers; None where its end is missing.

    What lies behind the end (a second picture, anything at all) does not count. A first scan that does not hold
    every layer makes two at least, for the decoder waits for the others.
    """
    count, least, at, plain = 0, 1, 0, False
    while found := _NEXT_MARKER.search(content, at):
        marker, at = content[found.end() - 1], found.end()
        if marker == _END:
            return max(count, least)
        if marker in (_START, _ALONE):  # these two have nothing behind them
            continue
        plain |= marker in _PLAIN
        if marker == _START_OF_SCAN:
            count += 1
            if count == 1 and content[at + 2 : at + 3] != bytes([layers]):
                least = 2
        at += max(2, int.from_bytes(content[at : at + 2], "big"))
        if count == 1 and marker == _START_OF_SCAN and ((plain and least == 1) or content.find(b"\xff\xda", at) < 0):
            # By far the most pictures: one scan. Its end, mostly the file's, is found without a look at every marker.
            return least if content.rfind(b"\xff\xd9", at) >= 0 else None
    return None
