"""Which pictures are copies of one another: byte for byte, or nearly, as after saving, resizing, brightening,
turning grey or cutting off a margin.

Near copies are told from pictures that merely look alike by three tests on the 8x8 thumbnail and the dHash:
their brightness goes up and down together (correlation), their colours agree, and they are much closer to one
another than to the rest of the set. The last test is what keeps the ones of MNIST, X-rays or portraits apart, where
everything resembles everything: around copies there is a gap, around look-alikes there is none.

The result is a function of the pictures alone: their order and names play no part.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.facts import Facts
from torchbeam.data.groups import Union

# Pictures whose shorter side has fewer pixels than this, or with less contrast in the thumbnail (standard deviation of
# the brightness, of 255), hold too little to be told apart by it: only exact copies of them are found. Of two near
# copies the larger has TELLING_SIDE at least, which leaves out MNIST's 28: two people may well write the same 7.
LEAST_SIDE, TELLING_SIDE, LEAST_CONTRAST = 15, 32, 6.0
# Near copies, at most: 1 - correlation of the brightness, differing bits of the dHash, and difference of the
# colours (root of the mean square, of 255) where both have any. Of 397 photographs cut by 3 % on every side, 95 %
# stay below a FARTHEST of 0.06; saving as JPEG of quality 30 and resizing below 0.001.
FARTHEST, MOST_BITS, MOST_COLOUR = 0.08, 16, 20.0
GREY = 4.0  # pictures of less colour than this agree with every colour: one may be the grey copy
# The gap: within GAP times a pair's own distance (plus what saving alone does) lie at most CROWD times as many
# pictures as within the distance itself, and a few.
GAP, CROWD, FEW, SAVING = 4.0, 2, 3, 0.001
REACH = GAP * (FARTHEST + SAVING)
SAME = 0.0005  # closer than this are copies however many there are: the frames of a camera that stands still
NEIGHBOURS = 64  # looked at for each picture
# The tree that finds neighbours: cells of at most LEAF pictures, each larger one cut into BRANCHES around as many of
# its pictures; every picture goes into the OVERLAP nearest.
LEAF, BRANCHES, OVERLAP = 2048, 64, 3
CHUNK = 65_536  # pairs weighed at a time
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # Rec. 601, as Pillow's


def copies(facts: Sequence[Facts]) -> list[list[int]]:
    """The exact copies: indices of pictures with the same content, in groups of two or more, in order."""
    members: dict[str, list[int]] = {}
    for index, one in enumerate(facts):
        members.setdefault(one.digest, []).append(index)
    return [group for group in members.values() if len(group) > 1]


def clusters(facts: Sequence[Facts]) -> list[list[int]]:
    """Exact and near copies: indices in groups of two or more, in order. Copies of copies share a group."""
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups(facts)):
        members.setdefault(group, []).append(index)
    return [group for group in members.values() if len(group) > 1]


def groups(facts: Sequence[Facts]) -> tuple[int, ...]:
    """For each picture the index of the first one of its group: its own where it has no copy."""
    first: dict[str, int] = {}
    union = Union(len(facts))
    for index, one in enumerate(facts):
        union.join(first.setdefault(one.digest, index), index)
    large = [first[digest] for digest in sorted(first) if min(facts[first[digest]].size) >= LEAST_SIDE]
    for one, other in near(facts, large):
        union.join(one, other)
    return tuple(union.root(index) for index in range(len(facts)))


def near(facts: Sequence[Facts], chosen: Sequence[int]) -> list[tuple[int, int]]:
    """The pairs of near copies among the chosen pictures, which all differ in content and stand in order of it."""
    thumbs = np.frombuffer(b"".join(facts[index].thumb for index in chosen), np.uint8).reshape(-1, 64, 3)
    light = thumbs @ _LUMA
    light -= light.mean(axis=1, keepdims=True)
    contrast = np.sqrt((light**2).mean(axis=1))
    at = np.flatnonzero(contrast >= LEAST_CONTRAST)
    told = [chosen[index] for index in at.tolist()]
    if max((min(facts[index].size) for index in told), default=0) < TELLING_SIDE:
        return []
    one, other = _gapped(*_neighbours(light[at] / (8 * contrast[at, None]))).T
    hashes = np.array([facts[index].dhash for index in told], dtype=np.uint64)
    sides = np.array([min(facts[index].size) for index in told])
    like = np.bitwise_count(hashes[one] ^ hashes[other]) <= MOST_BITS
    like &= np.maximum(sides[one], sides[other]) >= TELLING_SIDE
    like &= _colours_agree(thumbs[at[one]], thumbs[at[other]])
    return [(told[first], told[second]) for first, second in zip(one[like].tolist(), other[like].tolist(), strict=True)]


def _colours_agree(one_N643: NDArray[np.uint8], other_N643: NDArray[np.uint8]) -> NDArray[np.bool_]:
    one, other = (thumbs - (thumbs @ _LUMA)[..., None] for thumbs in (one_N643, other_N643))
    weakest = np.sqrt(np.minimum((one**2).mean(axis=(1, 2)), (other**2).mean(axis=(1, 2))))
    return (np.sqrt(((one - other) ** 2).mean(axis=(1, 2))) <= MOST_COLOUR) | (weakest < GREY)


def _gapped(who_NK: NDArray[np.int64], far_NK: NDArray[np.float32]) -> NDArray[np.int64]:
    """The pairs (P, 2) close enough and with a gap around them, from each picture's nearest ones."""
    count, width = who_NK.shape
    few = min(FEW, count // 10)  # among ten pictures even six chance neighbours are most of the set
    row, column = np.nonzero(far_NK <= FARTHEST)
    own = far_NK[row, column]
    inner = np.empty(len(row), dtype=np.int64)
    outer = np.empty(len(row), dtype=np.int64)
    for start in range(0, len(row), CHUNK):
        part = slice(start, start + CHUNK)
        around = far_NK[row[part]]
        inner[part] = (around <= own[part, None] + SAVING).sum(axis=1)
        outer[part] = (around <= GAP * (own[part, None] + SAVING)).sum(axis=1)
    full = outer == width  # there may be more than were looked at
    gap = ((outer <= CROWD * inner + few) & ~full) | (own <= SAME)
    one, other = row, who_NK[row, column]
    # Both must see the gap: each pair is here from both sides.
    sides = np.sort(np.stack([one, other], axis=1)[gap], axis=1)
    pairs, seen = np.unique(sides, axis=0, return_counts=True)
    return pairs[seen == 2]


def _neighbours(units_N64: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each picture the numbers of its nearest ones and their distances, nearest first; infinite where none is."""
    count = len(units_N64)
    width = min(NEIGHBOURS, count - 1)
    who = np.full((count, width), -1, dtype=np.int64)
    far = np.full((count, width), np.inf, dtype=np.float32)
    for members in _cells(units_N64, np.arange(count)):
        own = units_N64[members]
        distances = 1 - own @ own.T
        np.fill_diagonal(distances, np.inf)
        rows = np.flatnonzero((distances <= FARTHEST).any(axis=1))
        if not len(rows):
            continue
        close = distances[rows]
        taken = np.argpartition(close, min(width, len(own) - 1), axis=1)[:, :width]
        found = np.take_along_axis(close, taken, axis=1)
        found[found > REACH] = np.inf
        _merge(who, far, members[rows], members[taken], found)
    return who, far


def _merge(
    who: NDArray[np.int64],
    far: NDArray[np.float32],
    rows: NDArray[np.int64],
    new_who: NDArray[np.int64],
    new_far: NDArray[np.float32],
) -> None:
    """Takes newly found neighbours of some pictures into the lists, each neighbour once."""
    both_who = np.concatenate([who[rows], new_who], axis=1)
    both_far = np.concatenate([far[rows], new_far], axis=1)
    order = np.lexsort((both_far, both_who), axis=1)
    both_who = np.take_along_axis(both_who, order, axis=1)
    both_far = np.take_along_axis(both_far, order, axis=1)
    both_far[:, 1:][both_who[:, 1:] == both_who[:, :-1]] = np.inf
    order = np.argsort(both_far, axis=1, kind="stable")[:, : who.shape[1]]
    who[rows] = np.take_along_axis(both_who, order, axis=1)
    far[rows] = np.take_along_axis(both_far, order, axis=1)


def _cells(units_N64: NDArray[np.float32], members: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Sets of at most LEAF pictures, overlapping, so that close pictures share one. Their centres are the first
    pictures, which in order of content are chance's."""
    if len(members) <= LEAF:
        yield members
        return
    likeness = units_N64[members] @ units_N64[members[:BRANCHES]].T
    nearest = np.argpartition(-likeness, OVERLAP, axis=1)[:, :OVERLAP]
    for branch in range(BRANCHES):
        inside = (nearest == branch).any(axis=1)
        cell = members[inside]
        if len(cell) > 0.9 * len(members):  # nearly all alike: cutting around centres would not end
            ordered = cell[np.argsort(-likeness[inside, branch], kind="stable")]
            yield from (np.sort(ordered[start : start + LEAF]) for start in range(0, len(ordered), LEAF))
        elif len(cell) > 1:
            yield from _cells(units_N64, cell)
