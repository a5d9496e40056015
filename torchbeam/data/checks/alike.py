"""Pictures that are there more than once: harmless, in two classes, or in two parts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from torchbeam.data.checks.finding import Finding, Severity, counted
from torchbeam.data.duplicates import clusters, copies
from torchbeam.data.facts import Facts
from torchbeam.data.records import PARTS, UNLABELLED, Record, Source

# Whose copy stays where two parts have one: a part that is measured by stays what its name promises, so that results
# can be compared, and the copy to learn from goes.
STAYS = ("test", "val", "train", "")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a group of copies can be, and what is said of it."""

    name: str
    severity: Severity
    one: str
    many: str
    remedy: str


_MEASURE = "take them out of train (--exclude lists them); the measured result is too good otherwise"
KINDS = {
    ("exact", "labels"): Kind(
        "label conflict",
        "error",
        "picture is there with two labels",
        "pictures are there with two labels each",
        "one of the labels is wrong: correct it, or leave all copies out (--exclude lists them)",
    ),
    ("exact", "parts"): Kind(
        "leak",
        "error",
        "picture is in two parts",
        "pictures are in two parts each",
        _MEASURE,
    ),
    ("exact", ""): Kind(
        "copies",
        "warning",
        "picture is there more than once",
        "pictures are there more than once",
        "keep one of each (--exclude lists the others)",
    ),
    ("near", "labels"): Kind(
        "near label conflict",
        "warning",
        "picture has a near copy with another label",
        "pictures have near copies with other labels",
        "look at them side by side (--html): one label is most likely wrong",
    ),
    ("near", "parts"): Kind(
        "near leak",
        "warning",
        "picture has a near copy in another part",
        "pictures have near copies in another part",
        _MEASURE,
    ),
    ("near", ""): Kind(
        "near copies",
        "note",
        "picture has near copies",
        "pictures have near copies",
        "nothing to do: where parts are cut here, they stay together",
    ),
}


def alike(source: Source, facts: Mapping[int, Facts]) -> Iterator[Finding]:
    """Findings on copies and near copies, a group of paths for each picture that has some."""
    numbers, told = list(facts), list(facts.values())
    found: dict[tuple[str, str], list[list[int]]] = {key: [] for key in KINDS}
    for way, groups in (("exact", copies(told)), ("near", clusters(told))):
        for group in groups:
            members = [numbers[index] for index in group]
            digests = [facts[number].digest for number in members]
            if way == "near" and len(set(digests)) == 1:
                continue
            for trouble in _troubles(source.records, members, digests if way == "near" else range(len(members))):
                found[way, trouble].append(members)
    for (_, trouble), groups in found.items():
        if groups:
            yield _finding(source, KINDS[_, trouble], trouble, groups, facts)


def _troubles(records: Sequence[Record], members: list[int], own: Sequence[object]) -> list[str]:
    """'labels' where two members differ in class, 'parts' where in part, '' where in neither.

    own: what two members must differ in to be compared: exact copies are told of as such alone.
    """
    exact = isinstance(own, range)
    said = [_said(records[number], exact) for number in members]
    parts = [records[number].part for number in members]
    troubles = [name for name, values in (("labels", said), ("parts", parts)) if _differ(values, own)]
    return troubles or [""]


def _differ(values: Sequence[object], own: Sequence[object]) -> bool:
    """Whether two members that are not the same have different values."""
    pairs = set(zip(values, own, strict=True))
    if len({value for value, _ in pairs}) < 2:
        return False
    ordered = list(pairs)
    return any(a[0] != b[0] and a[1] != b[1] for at, a in enumerate(ordered) for b in ordered[:at])


def _said(record: Record, exact: bool) -> object:
    """What a source says of a picture: its class; of exact copies without one, their boxes too."""
    if record.boxes is None or not exact:
        return record.label
    rows = np.column_stack([record.boxes.labels_N, record.boxes.xyxy_N4.round()])
    return (record.label, tuple(sorted(map(tuple, rows.tolist()))))


def _finding(source: Source, kind: Kind, trouble: str, groups: list[list[int]], facts: Mapping[int, Facts]) -> Finding:
    paths = tuple(tuple(source.records[number].path for number in group) for group in groups)
    details = tuple(_where(source, source.records[number]) for group in groups for number in group)
    out: list[tuple[str, str]] = []
    for group in groups:
        out += _left_out(source, kind.name, trouble, group, facts)
    return Finding(
        kind.name,
        kind.severity,
        counted(len(groups), kind.one, kind.many),
        tuple(path for group in paths for path in group),
        kind.remedy,
        details,
        paths,
        tuple(out),
    )


def _where(source: Source, record: Record) -> str:
    label = "" if record.label == UNLABELLED else source.classes[record.label]
    return ", ".join(word for word in (record.part if record.part in PARTS else "", label) if word)


def _left_out(
    source: Source, name: str, trouble: str, group: list[int], facts: Mapping[int, Facts]
) -> list[tuple[str, str]]:
    records = source.records
    if trouble == "labels":
        return [(records[number].path, f"{name} with {_other(source, group, number)}") for number in group]
    if name == "near copies":
        return []
    parts = {records[number].part for number in group}
    stays = next(part for part in STAYS if part in parts)
    staying = [number for number in group if records[number].part == stays]
    first = records[staying[0]].path
    word = {"leak": "copy", "near leak": "near copy", "copies": "copy"}[name]
    leaving = [number for number in group if number not in staying]
    if stays in ("train", ""):  # a measured part is left as it is, with its copies
        same = {facts[staying[0]].digest}
        leaving += [number for number in staying[1:] if facts[number].digest in same]
    return [(records[number].path, f"{word} of {first}") for number in leaving]


def _other(source: Source, group: list[int], number: int) -> str:
    return next(source.records[other].path for other in group if other != number)
