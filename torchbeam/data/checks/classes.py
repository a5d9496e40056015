"""How the classes are filled, and whether the parts agree on them."""

from collections import Counter
from collections.abc import Iterator, Mapping

from torchbeam.data.checks.finding import Finding, counted
from torchbeam.data.records import PARTS, Source
from torchbeam.data.sources.folder import ONLY, look_alikes

FEW = 10  # pictures to learn a class from; below this a tenth for validation is none
LOPSIDED = 10  # the largest class has this many times the pictures of the smallest
NAMES_SHOWN = 8


def classes(source: Source, shown: Mapping[int, frozenset[int]]) -> Iterator[Finding]:
    """Findings on classes. shown: for each record's number the classes its label, boxes and mask name."""
    counts: dict[str, Counter[int]] = {}
    for number, labels in shown.items():
        counts.setdefault(source.records[number].part, Counter()).update(labels)
    yield from _names(source, shown)
    yield from _parts(source, counts, shown)
    learnt = counts.get("train", Counter()) + counts.get("", Counter())
    if learnt:
        yield from _amounts(source, learnt, shown)
    unused = [name for label, name in enumerate(source.classes) if not any(by[label] for by in counts.values())]
    if unused:
        what = f"{counted(len(unused), 'class', 'classes')} without a picture that can be read: {_some(unused)}"
        yield Finding("class unused", "warning", what, (), "add pictures, or take the class out")


def _names(source: Source, shown: Mapping[int, frozenset[int]]) -> Iterator[Finding]:
    for group in look_alikes(source.classes):
        labels = [source.classes.index(name) for name in group]
        yield Finding(
            "class names alike",
            "error",
            f"classes that differ {ONLY}: {_some([repr(name) for name in group])}",
            _firsts(source, shown, labels),
            "merge them, or rename one if they are two things; train refuses them",
        )


def _parts(
    source: Source, counts: Mapping[str, Counter[int]], shown: Mapping[int, frozenset[int]]
) -> Iterator[Finding]:
    if "train" not in counts:
        return
    for part in (part for part in PARTS[1:] if part in counts):
        unknown = [label for label in counts[part] if not counts["train"][label]]
        if unknown:
            names = _some([source.classes[label] for label in sorted(unknown)])
            inside = {number: own for number, own in shown.items() if source.records[number].part == part}
            yield Finding(
                "class not in train",
                "error",
                f"{part} has {counted(len(unknown), 'class', 'classes')} that train does not know: {names}",
                _firsts(source, inside, sorted(unknown)),
                "give train pictures of them, or take them out",
            )
        missing = [label for label in counts["train"] if not counts[part][label]]
        if missing:
            names = _some([source.classes[label] for label in sorted(missing)])
            what = f"{part} has no picture of {counted(len(missing), 'class', 'classes')} of train: {names}"
            remedy = f"add some to {part}; how well these classes do is not measured otherwise"
            yield Finding("class missing in a part", "warning", what, (), remedy)


def _amounts(source: Source, learnt: Counter[int], shown: Mapping[int, frozenset[int]]) -> Iterator[Finding]:
    few = sorted(label for label, count in learnt.items() if count < FEW)
    if few:
        names = _some([f"{source.classes[label]} ({learnt[label]})" for label in few])
        what = f"{counted(len(few), 'class', 'classes')} with fewer than {FEW} pictures to learn from: {names}"
        yield Finding("few pictures", "warning", what, _firsts(source, shown, few), "add pictures of them")
    (most, top), (least, bottom) = learnt.most_common()[0], learnt.most_common()[-1]
    if top >= LOPSIDED * bottom:
        what = (
            f"{source.classes[most]} has {top:,} pictures to learn from, {top / bottom:.0f} times as many as "
            f"{source.classes[least]} with {bottom:,}"
        )
        yield Finding("lopsided", "warning", what, (), "add pictures of the rare classes; judge by each class's recall")


def _firsts(source: Source, shown: Mapping[int, frozenset[int]], labels: list[int]) -> tuple[str, ...]:
    """The first picture of each class."""
    first: dict[int, str] = {}
    for number, own in shown.items():
        for label in own:
            first.setdefault(label, source.records[number].path)
    return tuple(first[label] for label in labels if label in first)


def _some(names: list[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
