"""Which pictures a model was trained or chosen on, kept small enough for the model file.

Six bytes of each picture's SHA-256: two different pictures among a million are taken for one another with a
probability of one in five hundred.
"""

import base64
from collections.abc import Iterable, Sequence

BYTES = 6


def pack(digests: Iterable[str]) -> str:
    """The digests (hex) as one text."""
    return base64.b64encode(b"".join(sorted(bytes.fromhex(digest)[:BYTES] for digest in digests))).decode()


def seen_before(packed: str, digests: Sequence[str]) -> list[bool]:
    """For each digest (hex) whether it is among the packed ones."""
    held = base64.b64decode(packed)
    known = {held[start : start + BYTES] for start in range(0, len(held), BYTES)}
    return [bytes.fromhex(digest)[:BYTES] in known for digest in digests]
