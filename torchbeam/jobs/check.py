"""check: a place -> what is wrong with the pictures and labels there. Reads everything once, changes nothing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchbeam.data.check import check, exclusions
from torchbeam.data.checks.finding import SEVERITIES, Finding, Severity, counted
from torchbeam.data.exclude import write
from torchbeam.data.facts import Facts
from torchbeam.data.find import find
from torchbeam.data.look import look
from torchbeam.data.records import PARTS, UNLABELLED, Source
from torchbeam.files import write_whole
from torchbeam.jobs.screen import Screen
from torchbeam.report.contact import contact

CLASSES_SHOWN = 12
SHOWN = 3  # paths, or groups of them, under each finding in the terminal


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many pictures of each class each part has, by their own label; the same of boxes, where there are some."""

    pictures: Mapping[str, Mapping[str, int]]
    boxes: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found, worst first.

    kind: of the source ('folder', 'voc'). pictures: how many were named, readable or not. sizes: (width, height) of
    the smallest and the largest by area, None where none can be read. excluded: what is better left out, with the
    reason.
    """

    kind: str
    place: str
    root: Path | None
    classes: tuple[str, ...]
    pictures: int
    sizes: tuple[tuple[int, int], tuple[int, int]] | None
    amounts: Amounts
    findings: tuple[Finding, ...]
    excluded: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether there is neither an error nor a warning."""
        return not (self.count("error") or self.count("warning"))

    def count(self, severity: Severity) -> int:
        """How many findings are that bad."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The result in a line."""
        of = f"{counted(self.pictures, 'picture', 'pictures')} of {counted(len(self.classes), 'class', 'classes')}"
        bad = [counted(self.count(one), one, f"{one}s") for one in SEVERITIES[:2] if self.count(one)]
        return f"{' and '.join(bad)} in {of}" if bad else f"nothing wrong found in {of}"

    def to_json(self) -> dict[str, Any]:
        """As `check --json` prints it."""
        return {
            "clean": self.clean,
            "verdict": self.verdict,
            "place": self.place,
            "kind": self.kind,
            "root": str(self.root) if self.root else None,
            "pictures": self.pictures,
            "sizes": [list(size) for size in self.sizes] if self.sizes else None,
            "classes": list(self.classes),
            "counts": {part: dict(by) for part, by in self.amounts.pictures.items()},
            "boxes": {part: dict(by) for part, by in self.amounts.boxes.items()},
            "findings": [finding.to_json() for finding in self.findings],
            "excluded": dict(self.excluded),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """The verdict, the findings by how bad they are, and how many pictures there are of what."""
        where = f", from {self.root}" if self.root else ""
        lines = [f"{self.place}: {self.verdict}", f"  {self.kind}{self._sizes()}{where}"]
        for severity in SEVERITIES:
            found = [finding for finding in self.findings if finding.severity == severity]
            lines += ["", f"{severity}s"] if found else []
            width = max((len(finding.kind) for finding in found), default=0)
            for finding in found:
                lines += _told(finding, width)
        lines += ["", *(f"  {line}" for line in table(self.classes, self.amounts))]
        lines += ["", *(f"note: {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines)

    def _sizes(self) -> str:
        if self.sizes is None:
            return ""
        (smallest, largest) = ("{}x{}".format(*size) for size in self.sizes)
        return f", {smallest} pixels" if smallest == largest else f", {smallest} to {largest} pixels"


def check_data(
    place: str | Path,
    *,
    html: str | Path | None = None,
    exclude: str | Path | None = None,
    cache: str | Path | None = None,
    show: bool = True,
) -> Checked:
    """Look at every picture, label, box and mask at a place once, and tell what is wrong. Nothing there is changed.

    html: write a page with the pictures in question, side by side where they are copies. exclude: write a list of
    what is better left out, which `train` takes: what cannot be read, copies (but one), what is there under two
    labels, and of a copy in two parts the one in train, so that a test set stays what it is.
    cache: the folder for what can be made again. show: draw a bar on stderr.
    Raises DataError where there are no pictures, OutputError where a file cannot be written.
    """
    watch = Screen(show).watch
    source = find(place, False, cache, watch)
    facts, skipped = look(source, cache, watch)
    findings = check(source, facts, skipped, watch)
    by_area = sorted((one.size for one in facts.values()), key=lambda size: (size[0] * size[1], size))
    checked = Checked(
        kind=source.kind,
        place=source.place,
        root=source.root,
        classes=source.classes,
        pictures=len(source.records),
        sizes=(by_area[0], by_area[-1]) if by_area else None,
        amounts=amounts(source, facts),
        findings=findings,
        excluded=exclusions(findings),
        notes=source.notes,
    )
    if html is not None:
        rows = table(checked.classes, checked.amounts, len(checked.classes))
        write_whole(Path(html), contact(source, facts, findings, checked.verdict, rows))
    if exclude is not None:
        write(Path(exclude), checked.excluded)
    return checked


def amounts(source: Source, facts: Mapping[int, Facts]) -> Amounts:
    """How much there is of what, of the pictures that can be read."""
    pictures: dict[str, Counter[str]] = {}
    boxes: dict[str, Counter[str]] = {}
    for number in facts:
        record = source.records[number]
        own = pictures.setdefault(record.part, Counter())
        own.update([] if record.label == UNLABELLED else [source.classes[record.label]])
        if record.boxes is not None:
            labels = record.boxes.labels_N.tolist()
            boxes.setdefault(record.part, Counter()).update(source.classes[label] for label in labels)
    return Amounts(*({part: by[part] for part in ("", *PARTS) if part in by} for by in (pictures, boxes)))


def table(classes: tuple[str, ...], amounts: Amounts, most: int = CLASSES_SHOWN) -> list[str]:
    """Pictures, or else boxes, per class and part, as aligned lines; the end of a long list is left out."""
    of_boxes = any(amounts.boxes.values())
    by_part = amounts.boxes if of_boxes else amounts.pictures
    if not any(by_part.values()):
        return []
    head = ["boxes" if of_boxes else "pictures", *(part or "all" for part in by_part)]
    rows = [[_plain(name), *(f"{by.get(name, 0):,}" for by in by_part.values())] for name in classes[:most]]
    if len(classes) > most:
        rows.append([f"... {len(classes) - most:,} more", *("" for _ in by_part)])
    rows.append(["all", *(f"{sum(by.values()):,}" for by in by_part.values())])
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in [head, *rows]
    ]


def _told(finding: Finding, width: int) -> list[str]:
    """A finding as lines: kind and sentence, the first pictures, the remedy."""
    lines = [f"  {finding.kind:<{width}}  {_plain(finding.what)}"]
    if finding.groups:
        shown = ["  =  ".join(_short(group)) for group in finding.groups[:SHOWN]]
        more = len(finding.groups) - SHOWN
    else:
        details = finding.details or ("",) * len(finding.paths)
        told = zip(finding.paths[:SHOWN], details[:SHOWN], strict=True)
        shown = [f"{path}: {detail}" if detail and path not in detail else detail or path for path, detail in told]
        more = len(finding.paths) - SHOWN
    gap = " " * (width + 4)
    lines += [f"{gap}  {_plain(line)}" for line in shown]
    lines += [f"{gap}  and {more:,} more"] if more > 0 else []
    return [*lines, f"{gap}{finding.remedy}"] if finding.remedy else lines


def _short(group: tuple[str, ...]) -> list[str]:
    return [*group[:SHOWN], f"{len(group) - SHOWN:,} more"] if len(group) > SHOWN else list(group)


def _plain(text: str) -> str:
    """On one line, whatever is in a name."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
