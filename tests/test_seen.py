import hashlib

from torchbeam.jobs.seen import pack, seen_before

DIGESTS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(200)]


def test_what_was_packed_is_known_again_and_nothing_else():
    packed = pack(reversed(DIGESTS[:150]))
    assert seen_before(packed, DIGESTS) == [True] * 150 + [False] * 50
    assert packed == pack(DIGESTS[:150])
    assert len(packed) == 150 * 8


def test_nothing_packed_knows_nothing():
    assert seen_before(pack([]), DIGESTS[:3]) == [False] * 3
