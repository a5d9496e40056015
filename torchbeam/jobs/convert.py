"""convert: a data set in one format -> the same in another, with what is lost on the way counted and named."""

import contextlib
import difflib
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torchbeam.data.facts import Facts
from torchbeam.data.find import find
from torchbeam.data.look import look
from torchbeam.data.pictures import Files
from torchbeam.data.records import Boxes, Fault, Skipped, Source
from torchbeam.data.regions import Runs, area
from torchbeam.data.targets import cifar, coco, csv, folder, masks, mnist, stl10, voc, yolo
from torchbeam.data.targets.put import linked
from torchbeam.data.targets.target import Readable, Sample, Target
from torchbeam.errors import DataError, OutOfRoom, OutputError, PictureError, SettingError
from torchbeam.files import cannot_write
from torchbeam.jobs.runfolder import check_free
from torchbeam.jobs.screen import Screen

# Every format that can be written.
TARGETS: dict[str, Target] = {
    "folder": folder,
    "csv": csv,
    "voc": voc,
    "coco": coco,
    "yolo": yolo,
    "masks": masks,
    "mnist": mnist,
    "cifar": cifar,
    "stl10": stl10,
}
# Formats in which every folder means something.
_EVERY_FOLDER_COUNTS = ("folder", "imagenet")
_BESIDE = 1024  # bytes of labels for each picture, about
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Converted:
    """What was written: how many pictures of each of the source's parts, and how many boxes and masks it has for them.

    lost: what the format cannot hold, in plain words, with counts. skipped: pictures that cannot be read, left out.
    faults: what was wrong with boxes and masks in the source, set aside or mended as told.
    """

    kind: str
    place: str
    to: str
    out: Path
    classes: tuple[str, ...]
    parts: dict[str, int]
    boxes: int
    masks: int
    lost: dict[str, int]
    skipped: tuple[Skipped, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]

    @property
    def pictures(self) -> int:
        """How many were written."""
        return sum(self.parts.values())

    def to_json(self) -> dict[str, Any]:
        """As `data convert --json` prints it."""
        return {
            "kind": self.kind,
            "place": self.place,
            "to": self.to,
            "out": str(self.out),
            "classes": list(self.classes),
            "pictures": self.pictures,
            "parts": self.parts,
            "boxes": self.boxes,
            "masks": self.masks,
            "lost": self.lost,
            "skipped": [bad.to_json() for bad in self.skipped],
            "faults": [{"path": one.path, "kind": one.kind, "reason": one.reason} for one in self.faults],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """What was written where, and what was lost."""
        things = f", {self.boxes:,} boxes" if self.boxes else ""
        things += f", {self.masks:,} masks" if self.masks else ""
        parts = ", ".join(f"{part} {count:,}" for part, count in self.parts.items() if part)
        lines = [
            f"{self.place} ({self.kind}): {len(self.classes):,} classes{things}",
            f"-> {self.to} {self.out}: {self.pictures:,} pictures{f' ({parts})' if parts else ''}",
        ]
        lines += [f"  wrong in the source: {line}" for line in _lines(Counter(fault.kind for fault in self.faults))]
        lines += [f"  lost: {line}" for line in _lines(self.lost)] or ["  nothing is lost"]
        return "\n".join(lines)


def convert(
    data: str | Path,
    to: str,
    out: str | Path,
    *,
    link: bool = False,
    strict: bool = False,
    cache: str | Path | None = None,
    show: bool = True,
) -> Converted:
    """Write the data set at a place in another format: folder, csv, voc, coco, yolo, masks, mnist, cifar or stl10.

    Pictures' files are copied byte for byte; what is no file is written as PNG. What the format cannot hold is
    counted and told before anything is written. `out` must be new or empty, and is there as a whole or not at all.

    link: hard-link the pictures' files instead, where the file system can. strict: refuse if anything would be lost.
    show: notes and a bar on stderr.
    Raises SettingError for an unknown format, DataError where the format cannot hold the data, OutputError or
    OutOfRoom where it cannot be written.
    """
    target, place = _target(to), Path(out).expanduser().resolve()
    check_free(place)
    screen = Screen(show)
    source = find(data, False, cache, screen.watch)
    _check_beside(source, place)
    facts, skipped = look(source, cache, screen.watch)
    told = _readable(source, facts, screen)
    if not told.samples:
        raise DataError(
            f"no picture at {data} can be converted",
            got="\n".join(bad.reason for bad in skipped[:_SHOWN]) or "none at all",
            remedy="mend the pictures",
        )
    target.check(told)
    lost = ({"pictures that cannot be read (left out)": len(skipped)} if skipped else {}) | target.lost(told)
    _tell(screen, told, lost, skipped)
    if strict and lost:
        raise DataError(
            f"{to} cannot hold all of {data}, and nothing may be lost under --strict",
            got="\n".join(_lines(lost)),
            remedy="convert to another format, or leave out --strict",
        )
    with _taking_place(place) as beside:
        _check_room(told, beside, link)
        notes = _on_pictures(told, beside, link)
        for note in notes:
            screen.note(f"  note: {note}")
        written = list(screen.watch(target.write(told, beside, link), "writing", len(told.samples)))
    return Converted(
        kind=source.kind,
        place=source.place,
        to=to,
        out=Path(out),
        classes=source.classes,
        parts=dict(Counter(sample.record.part for sample in written)),
        boxes=sum(len(sample.record.boxes or ()) for sample in written),
        masks=sum(sample.record.masked for sample in written),
        lost=lost,
        skipped=skipped,
        faults=told.source.faults,
        notes=(*source.notes, *notes),
    )


def _target(to: str) -> Target:
    if to not in TARGETS:
        close = difflib.get_close_matches(to, TARGETS, n=1)
        raise SettingError(
            f"no format {to!r} to convert to",
            expected=", ".join(TARGETS),
            remedy=f"did you mean {close[0]}?" if close else "name one of these with --to",
        )
    return TARGETS[to]


def _check_beside(source: Source, place: Path) -> None:
    """Refuses to write into folders whose every folder is a class: the next reading would find one class more."""
    if source.kind in _EVERY_FOLDER_COUNTS and source.root and place.resolve().is_relative_to(source.root.resolve()):
        raise OutputError(
            f"{place} lies inside the data that is read",
            expected=f"a folder outside {source.root}, where every folder is taken for a class",
            remedy="name another with --out",
        )


def _readable(source: Source, facts: dict[int, Facts], screen: Screen) -> Readable:
    """The pictures that can be read; masks that cannot, and shapes that do not go with their picture, are set aside as
    faults."""
    samples: list[Sample] = []
    faults: list[Fault] = []
    for number, found in screen.watch(facts.items(), "looking at boxes and masks", len(facts)):
        record = source.records[number]
        wrong = _mask_fault(source, number, found) if record.masked else ""
        if wrong:
            faults.append(Fault(record.path, "mask unreadable", f"{wrong}; set aside"))
            record = replace(record, masked=False)
        odd = _odd_shapes(record.boxes, found) if record.boxes is not None else {}
        if odd and record.boxes is not None:
            faults += [Fault(record.path, "shape unusable", f"{reason}; set aside") for reason in odd.values()]
            regions = tuple(None if at in odd else region for at, region in enumerate(record.boxes.regions))
            record = replace(record, boxes=replace(record.boxes, regions=regions))
        samples.append(Sample(number, record, found))
    return Readable(replace(source, faults=(*source.faults, *faults)), tuple(samples))


def _mask_fault(source: Source, number: int, facts: Facts) -> str:
    """What is wrong with a mask, '' where nothing is."""
    if source.masks is None:
        return "no mask is there"
    try:
        height, width = source.masks.mask(number).shape
    except PictureError as error:
        return error.reason
    wanted = facts.size
    return "" if (width, height) == wanted else f"a mask of {width}x{height} for a picture of {wanted[0]}x{wanted[1]}"


def _odd_shapes(held: Boxes, facts: Facts) -> dict[int, str]:
    """What is wrong with the shapes of boxes, by the box's place."""
    width, height = facts.size
    odd = {}
    for at, region in enumerate(held.regions):
        if isinstance(region, Runs) and (region.width, region.height) != facts.size:
            odd[at] = f"the shape of box {at + 1} is of a {region.width}x{region.height} picture, not {width}x{height}"
        elif region is not None and not area(region):
            odd[at] = f"the shape of box {at + 1} covers nothing"
    return odd


def _tell(screen: Screen, told: Readable, lost: dict[str, int], skipped: tuple[Skipped, ...]) -> None:
    """What is read, what is wrong with it, and what will be lost, before anything is written."""
    source = told.source
    where = f" from {source.root}" if source.root else ""
    screen.note(f"{source.kind}: {len(told.samples):,} pictures, {len(source.classes):,} classes{where}")
    for note in source.notes:
        screen.note(f"  note: {note}")
    for line in _lines(Counter(fault.kind for fault in source.faults)):
        screen.note(f"  wrong in the source: {line}")
    for line in _lines(lost):
        screen.note(f"  will be lost: {line}")
    for bad in skipped[:_SHOWN]:
        screen.note(f"    {bad.reason}")
    if len(skipped) > _SHOWN:
        screen.note(f"    and {len(skipped) - _SHOWN:,} more pictures that cannot be read")


def _lines(counts: Mapping[str, int]) -> list[str]:
    return [f"{what}: {count:,}" for what, count in counts.items()]


def _check_room(told: Readable, beside: Path, link: bool) -> None:
    """Raises OutOfRoom where the disk has clearly too little room; roughly, for PNG and lists are not known before."""
    needed = sum(_bytes(told, sample, link) + _BESIDE for sample in told.samples)
    free = shutil.disk_usage(beside).free
    if needed > free:
        raise OutOfRoom(
            f"the disk has too little room beside {beside.parent}",
            expected=f"about {needed / 1e6:,.0f} MB",
            got=f"{free / 1e6:,.0f} MB free",
            remedy="free some room, or name another place with --out",
        )


def _bytes(told: Readable, sample: Sample, link: bool) -> int:
    pictures = told.source.pictures
    if isinstance(pictures, Files):
        with contextlib.suppress(OSError):  # one that is gone by now is told of when it is copied
            return 0 if link else (pictures.root / pictures.paths[sample.number]).stat().st_size
    width, height = sample.facts.size
    return width * height * (1 if sample.facts.grey else 3)


def _on_pictures(told: Readable, beside: Path, link: bool) -> tuple[str, ...]:
    """Notes on how pictures get there, found out by linking one."""
    notes = []
    turned = sum(sample.facts.orientation != 1 for sample in told.samples)
    if turned:
        notes.append(f"{turned:,} pictures are stored turned (EXIF); boxes and masks go by the upright picture")
    pictures = told.source.pictures
    if link and not isinstance(pictures, Files):
        notes.append("the source's pictures are no files, so none can be linked")
    elif link and isinstance(pictures, Files):
        probe = beside / "link"
        if linked(pictures.root / pictures.paths[told.samples[0].number], probe):
            probe.unlink()
        else:
            notes.append("the pictures are copied: the file system cannot link them")
    return tuple(notes)


@contextlib.contextmanager
def _taking_place(place: Path) -> Iterator[Path]:
    """A new hidden folder that becomes `place` when all went well, and is removed when not.

    It lies beside `place`; inside where that is a disk of its own or the folder the user is in, which must stay.
    """
    inside = place.is_mount() or place == Path.cwd()
    beside = None
    try:
        beside = _new_folder(place if inside else place.parent, place.name)
        yield beside
        if inside:
            for path in beside.iterdir():
                path.rename(place / path.name)
            beside.rmdir()
        else:
            if place.is_dir():
                place.rmdir()
            beside.rename(place)
    except BaseException as error:  # a Ctrl-C in the middle leaves nothing behind either
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)
        if isinstance(error, OSError):
            raise cannot_write(place, error) from error
        raise


def _new_folder(parent: Path, name: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    path = parent / f".{name}.part-{os.getpid()}"
    while path.exists():  # one that was killed may have left its own
        path = path.with_name(f"{path.name}-again")
    path.mkdir()
    return path
