"""Which classes each part knows, for sources whose pictures have no class as a whole: what is refused, what is told."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from torchbeam.data.records import Record
from torchbeam.data.sources.folder import check_classes, notes_on_classes
from torchbeam.errors import DataError


def classes_boxed(records: Iterable[Record], classes: Sequence[str]) -> dict[str, set[str]]:
    """The names of the classes that the boxes of each part have."""
    held: dict[str, set[str]] = {}
    for record in records:
        names = held.setdefault(record.part, set())
        if record.boxes is not None:
            numbers: set[int] = set(record.boxes.labels_N.tolist())
            names.update(classes[number] for number in numbers)
    return held


def agreed(
    root: Path,
    classes: Sequence[str],
    by_part: Mapping[str, Collection[str]],
    to_learn: bool,
    listed: Collection[str] = (),
) -> list[str]:
    """Notes on parts that do not know every class. by_part: the names each part has; '' is the part of no name.

    listed: the names that what is learnt from lists, whether it shows them or not.
    Raises DataError where it is to be learnt from and nothing is there for that, where two classes are alike, or
    where another part has a class that is neither listed nor shown for learning.
    """
    if to_learn and not {"", "train"} & by_part.keys():
        raise DataError(
            f"{root} has pictures of {' and '.join(sorted(by_part)) or 'no part'}, and none to learn from",
            expected="a part named train",
        )
    named = {part: names for part, names in by_part.items() if part}
    if to_learn:
        learnt = {*listed, *by_part.get("", ()), *by_part.get("train", ())}
        check_classes([name for name in classes if name in learnt], named, "part")
    seen = {name for names in by_part.values() for name in names}
    unseen = [name for name in classes if name not in seen]
    notes = [f"no picture shows: {', '.join(unseen)}"] if unseen else []
    return notes + notes_on_classes([name for name in classes if name in seen], named, "part")
