"""Which sample is for learning, for choosing and for the final test; the rule, and the file it is kept in.

The same pictures always fall the same way: within a class they are ordered by the SHA-256 of their
content, which no seed, name or order of files changes. Identical pictures never part, unless the source itself
names their parts.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

from torchbeam.data.records import PARTS, Record
from torchbeam.errors import DataError

TEST_SHARE = 5  # a fifth of the pictures
VALIDATION_SHARE = 10  # a tenth of what is left


@dataclass(frozen=True, slots=True)
class Split:
    """The part of each record, and in words where each part comes from."""

    parts: tuple[str, ...]
    origins: dict[str, str]

    def indices(self, part: str) -> list[int]:
        """The records of a part, in their order."""
        return [index for index, own in enumerate(self.parts) if own == part]


def split(records: Sequence[Record], digests: Sequence[str]) -> Split:
    """Parts as the source names them, and what is missing cut off by rule.

    train + val + test: as named. train and one other: the other is the test, and validation is a stratified
    tenth of train. None named: test is a stratified fifth, validation a tenth of the rest.
    Raises DataError where a part would be empty.
    """
    parts = [record.part for record in records]
    if set(parts) == {"train"}:
        parts = [""] * len(parts)  # a train part alone is a set whose parts were never named
    origins = {part: f"the source's {part} part" for part in PARTS if part in parts}
    if "val" in origins and "test" not in origins:
        parts = ["test" if part == "val" else part for part in parts]
        origins["test"] = origins.pop("val")
    if "" in parts:
        parts = [part or "train" for part in parts]
        _cut(parts, records, digests, "test", TEST_SHARE)
        origins["test"] = "a stratified fifth of all, ordered by content"
        origins["train"] = "what is left of all"
    if "val" not in parts:
        _cut(parts, records, digests, "val", VALIDATION_SHARE)
        origins["val"] = "a stratified tenth of what is left for training, ordered by content"
    for part in PARTS:
        if part not in parts:
            raise DataError(
                f"nothing is left for the {part} part",
                expected="at least three pictures of some class",
                got=f"{len(records)} pictures",
                remedy="add pictures",
            )
    lost = {record.label for record in records} - {
        record.label for record, part in zip(records, parts, strict=True) if part == "train"
    }
    if lost:
        places = [record.path for record in records if record.label in lost]
        raise DataError(
            "a class would have nothing left to learn from",
            got=f"only copies of pictures that other classes have: {', '.join(places[:3])}",
            remedy="take the copies out, or add pictures of the class",
        )
    return Split(tuple(parts), {part: origins[part] for part in PARTS})


def as_named(records: Sequence[Record]) -> Split:
    """The parts as the source names them, '' for records of none; val stands for test where only it is there."""
    parts = [record.part for record in records]
    origins = {part: f"the source's {part} part" if part else "all pictures" for part in set(parts)}
    if "val" in origins and "test" not in origins:
        parts = ["test" if part == "val" else part for part in parts]
        origins["test"] = origins.pop("val")
    return Split(tuple(parts), origins)


def to_csv(records: Sequence[Record], digests: Sequence[str], classes: Sequence[str], parts: Sequence[str]) -> str:
    """The split as text: a line of path, sha256, class, group, part for each record."""
    text = StringIO()
    returns = any("\r" in record.path for record in records) or any("\r" in name for name in classes)
    quoting = csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL  # which overlooks a lone carriage return
    writer = csv.writer(text, lineterminator="\n", quoting=quoting)
    writer.writerow(("path", "sha256", "class", "group", "part"))
    for record, digest, part in zip(records, digests, parts, strict=True):
        writer.writerow((record.path, digest, classes[record.label], "", part))
    return text.getvalue()


def _cut(parts: list[str], records: Sequence[Record], digests: Sequence[str], part: str, share: int) -> None:
    """Moves a share of each class's training records to `part`: at least one where there are three or more."""
    taken: set[str] = set()
    by_class: dict[int, list[int]] = {}
    for index, record in enumerate(records):
        if parts[index] == "train":
            by_class.setdefault(record.label, []).append(index)
    for members in by_class.values():
        ordered = sorted(members, key=lambda index: digests[index])
        least = 1 if len(members) >= (3 if part == "test" else 2) else 0
        wanted = max(least, round(len(members) / share))
        edges = [edge for edge in range(1, len(ordered)) if digests[ordered[edge]] != digests[ordered[edge - 1]]]
        if wanted and edges:
            count = min(edges, key=lambda edge: abs(edge - wanted))
            taken.update(digests[index] for index in ordered[:count])
    for index, digest in enumerate(digests):  # a picture that is in two classes goes one way with its copies
        if parts[index] == "train" and digest in taken:
            parts[index] = part
