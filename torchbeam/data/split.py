"""Which sample is for learning, for choosing and for the final test; the rule, and the file it is kept in.

The same pictures always fall the same way: within a class they are ordered by the SHA-256 of their content, which
no seed, name or order of files changes. Pictures of one group (copies, near copies, those a pattern puts together)
never part, unless the source itself names their parts.
"""

import csv
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from torchbeam.data.records import PARTS, UNLABELLED, Record
from torchbeam.errors import DataError

TEST_SHARE = 5  # a fifth of the pictures
VALIDATION_SHARE = 10  # a tenth of what is left
COLUMNS = ("path", "sha256", "class", "group", "part")


@dataclass(frozen=True, slots=True)
class Split:
    """The part of each record, and in words where each part comes from."""

    parts: tuple[str, ...]
    origins: dict[str, str]

    def indices(self, part: str) -> list[int]:
        """The records of a part, in their order."""
        return [index for index, own in enumerate(self.parts) if own == part]


@dataclass(frozen=True, slots=True)
class Rows:
    """An earlier split: the part of each picture by (path, digest), and by digest alone for those that moved."""

    by_row: dict[tuple[str, str], str]
    by_digest: dict[str, str]

    def part(self, path: str, digest: str) -> str:
        """The part a picture had, '' for one that was not there."""
        return self.by_row.get((path, digest)) or self.by_digest.get(digest, "")


def split(
    records: Sequence[Record], digests: Sequence[str], groups: Sequence[int], earlier: Rows | None = None
) -> Split:
    """Parts as an earlier split and the source name them, and what is missing cut off by rule.

    train + val + test: as named. train and one other: the other is the test, and validation is a stratified
    tenth of train. None named: test is a stratified fifth, validation a tenth of the rest. Of an earlier split no
    row moves; new pictures go where their group is, and the others fill the shares.
    Raises DataError where a part would be empty.
    """
    parts = [record.part for record in records]
    if set(parts) == {"train"}:
        parts = [""] * len(parts)  # a train part alone is a set whose parts were never named
    origins = {part: f"the source's {part} part" for part in PARTS if part in parts}
    if "val" in origins and "test" not in origins:
        parts = ["test" if part == "val" else part for part in parts]
        origins["test"] = origins.pop("val")
    kept = _keep(parts, records, digests, groups, earlier) if earlier else set()
    open_ones = {index for index, part in enumerate(parts) if not part}
    if open_ones:
        for index in open_ones:
            parts[index] = "train"
        _cut(parts, records, digests, groups, open_ones, "test", TEST_SHARE)
        origins["test"] = "a stratified fifth of all, ordered by content"
        origins["train"] = "what is left of all"
    if "val" not in origins:
        _cut(parts, records, digests, groups, set(range(len(parts))) - kept, "val", VALIDATION_SHARE)
        origins["val"] = "a stratified tenth of what is left for training, ordered by content"
    if earlier:
        filled = "; new pictures fill the shares" if len(kept) < len(parts) else ""
        origins = dict.fromkeys(PARTS, f"as the earlier split has it{filled}")
    _check(records, parts)
    return Split(tuple(parts), {part: origins[part] for part in PARTS})


def as_named(records: Sequence[Record]) -> Split:
    """The parts as the source names them, '' for records of none; val stands for test where only it is there."""
    parts = [record.part for record in records]
    origins = {part: f"the source's {part} part" if part else "all pictures" for part in set(parts)}
    if "val" in origins and "test" not in origins:
        parts = ["test" if part == "val" else part for part in parts]
        origins["test"] = origins.pop("val")
    return Split(tuple(parts), origins)


def to_csv(
    records: Sequence[Record],
    digests: Sequence[str],
    classes: Sequence[str],
    groups: Sequence[str],
    parts: Sequence[str],
) -> str:
    """The split as text: a line of path, sha256, class, group, part for each record."""
    text = StringIO()
    returns = any("\r" in name for names in ((record.path for record in records), classes, groups) for name in names)
    quoting = csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL  # which overlooks a lone carriage return
    writer = csv.writer(text, lineterminator="\n", quoting=quoting)
    writer.writerow(COLUMNS)
    for record, digest, group, part in zip(records, digests, groups, parts, strict=True):
        name = "" if record.label == UNLABELLED else classes[record.label]
        writer.writerow((record.path, digest, name, group, part))
    return text.getvalue()


def read_csv(path: Path) -> Rows:
    """An earlier split, from a split.csv or the run folder that holds it. Raises DataError."""
    file = path
    try:
        file = path / "split.csv" if path.is_dir() else path
        with file.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as text:
            reader = csv.reader(text, strict=True)
            first = next(reader, [])
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"cannot read the split in {file}",
            expected="the split.csv of a run, or the run's folder",
            got=getattr(error, "strerror", None) or str(error),
        ) from error
    if tuple(first) != COLUMNS:
        raise DataError(
            f"{file} is not a split that torchbeam wrote",
            expected=f"a first line of {','.join(COLUMNS)}",
            got=",".join(first)[:80] or "an empty line",
        )
    by_row: dict[tuple[str, str], str] = {}
    by_digest: dict[str, str] = {}
    for line, row in rows:
        if len(row) != len(COLUMNS) or row[4] not in PARTS:
            raise DataError(
                f"line {line} of {file} names no part",
                expected=f"{', '.join(COLUMNS)}, the part being {' or '.join(PARTS)}",
                got=",".join(row)[:80] or "an empty line",
            )
        path_there, digest, _, _, part = row
        by_row[path_there, digest] = part
        by_digest[digest] = _first(part, by_digest.get(digest, part))
    return Rows(by_row, by_digest)


def _first(one: str, other: str) -> str:
    """Of two parts the one that comes first: what copies already give away of a test set is not added to."""
    return min(one, other, key=PARTS.index)


def _keep(
    parts: list[str], records: Sequence[Record], digests: Sequence[str], groups: Sequence[int], earlier: Rows
) -> set[int]:
    """Puts back what an earlier split holds, and new pictures beside their group; gives what must not move now."""
    kept: set[int] = set()
    place_of: dict[int, str] = {}
    for index, (record, digest) in enumerate(zip(records, digests, strict=True)):
        part = earlier.part(record.path, digest)
        if part:
            parts[index] = part
            kept.add(index)
            place_of[groups[index]] = _first(part, place_of.get(groups[index], part))
    for index, group in enumerate(groups):
        if not parts[index] and group in place_of:
            parts[index] = place_of[group]
            kept.add(index)
    return kept


def _cut(
    parts: list[str],
    records: Sequence[Record],
    digests: Sequence[str],
    groups: Sequence[int],
    movable: Collection[int],
    part: str,
    share: int,
) -> None:
    """Moves a share of each class's training records to `part`, group by group: at least one where there are three
    or more (two for validation), and never more than the share, so that small groups make it exact."""
    clusters = _clusters(parts, groups)
    labels_of = [Counter(records[index].label for index in members) for members in clusters]
    tally = _Tally(parts, records, part, share, labels_of)

    def moved(number: int) -> bool:
        if not tally.can_spare(labels_of[number]):
            return False
        tally.take(labels_of[number])
        for index in clusters[number]:
            parts[index] = part
        return True

    order = [number for number, members in enumerate(clusters) if all(index in movable for index in members)]
    order.sort(key=lambda number: min((records[index].label, digests[index]) for index in clusters[number]))
    large = [number for number in order if not (tally.fits(labels_of[number]) and moved(number))]
    for number in sorted(large, key=lambda number: len(clusters[number])):  # where no small one could be had
        if tally.short(labels_of[number]):
            moved(number)


class _Tally:
    """How many pictures of each class a part has and wants, and what train has left."""

    def __init__(
        self, parts: list[str], records: Sequence[Record], part: str, share: int, labels_of: list[Counter[int]]
    ) -> None:
        self.have = Counter(record.label for record, own in zip(records, parts, strict=True) if own == part)
        self.left = Counter(record.label for record, own in zip(records, parts, strict=True) if own == "train")
        self.clusters_left = Counter(label for labels in labels_of for label in labels)
        self.clusters_kept = 2 if part == "test" else 1  # a class of three clusters has one for validation, too
        shared = Counter(record.label for record in records) if part == "test" else self.left + self.have
        least = 3 if part == "test" else 2
        self.wanted = {
            label: max(1 if count >= least else 0, round(count / share)) - self.have[label]
            for label, count in shared.items()
        }

    def fits(self, labels: Counter[int]) -> bool:
        """Whether a cluster of so many pictures of each class goes into the share."""
        return all(self.wanted[label] >= count for label, count in labels.items())

    def short(self, labels: Counter[int]) -> bool:
        """Whether the part has nothing yet of one of its classes, and should."""
        return any(self.wanted[label] > 0 and self.have[label] == 0 for label in labels)

    def can_spare(self, labels: Counter[int]) -> bool:
        """Whether train can do without it."""
        return all(
            self.left[label] > count and (self.have[label] == 0 or self.clusters_left[label] > self.clusters_kept)
            for label, count in labels.items()
        )

    def take(self, labels: Counter[int]) -> None:
        """It goes from train into the part."""
        for label, count in labels.items():
            self.wanted[label] -= count
            self.have[label] += count
            self.left[label] -= count
            self.clusters_left[label] -= 1


def _clusters(parts: Sequence[str], groups: Sequence[int]) -> list[list[int]]:
    """The groups that lie in train. Where a source names parts, what of a group is in train is a group of its own."""
    by_group: dict[int, list[int]] = {}
    for index, part in enumerate(parts):
        if part == "train":
            by_group.setdefault(groups[index], []).append(index)
    return list(by_group.values())


def _check(records: Sequence[Record], parts: Sequence[str]) -> None:
    for part in PARTS:
        if part not in parts:
            raise DataError(
                f"nothing is left for the {part} part",
                expected="at least three pictures of some class that are not copies of one another nor of one group",
                got=f"{len(records)} pictures",
                remedy="add pictures, or take a --group-by that makes more and smaller groups",
            )
    lost = {record.label for record in records} - {
        record.label for record, part in zip(records, parts, strict=True) if part == "train"
    }
    if lost:
        places = [record.path for record in records if record.label in lost]
        raise DataError(
            "a class would have nothing left to learn from",
            got=f"all of its pictures are in the other parts: {', '.join(places[:3])}",
            remedy="add pictures of the class, or take it out",
        )
