"""load_data: a place -> its pictures, every one of them looked at once, split into parts, the bad ones set aside."""

import hashlib
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from torchbeam.data.duplicates import groups as near_groups
from torchbeam.data.facts import Facts
from torchbeam.data.find import find
from torchbeam.data.groups import by_pattern, joined
from torchbeam.data.look import look
from torchbeam.data.placeholders import REASON, placeholders
from torchbeam.data.records import UNLABELLED, Masks, Pictures, Record, Skipped, Source
from torchbeam.data.split import Split, as_named, read_csv, split
from torchbeam.data.watch import Watch, unwatched
from torchbeam.design.volume import Volume
from torchbeam.errors import DataError

# Pictures of many sizes are brought to a square of at most this side where nobody says another.
LARGEST_SIDE = 64


@dataclass(frozen=True, slots=True)
class Data:
    """Pictures ready to be learnt from.

    records, digests (SHA-256 of each picture's content), sizes, facts and groups belong together, index by index;
    `pictures` and `masks` go by `numbers`, the records' places in the source, since those set aside left gaps.
    sizes: (width, height) of each picture, upright. grey: no picture has colour. groups: the name of the group that
    a picture never parts from, '' where it is alone. looked: when the first look at the pictures began, in seconds
    as time.time() counts them.
    """

    kind: str
    place: str
    root: Path | None
    classes: tuple[str, ...]
    records: tuple[Record, ...]
    digests: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    facts: tuple[Facts, ...]
    groups: tuple[str, ...]
    numbers: tuple[int, ...]
    pictures: Pictures
    masks: Masks | None
    grey: bool
    split: Split
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    looked: float

    def image(self, sample: int, least: tuple[int, int] | None = None) -> Image.Image:
        """The picture of a record, mode L or RGB; where both its sides stay at least `least`, perhaps reduced."""
        return self.pictures.image(self.numbers[sample], least)

    def mask(self, sample: int) -> NDArray[np.int32] | None:
        """The mask of a record, shape (H, W), as `Masks` says, or None where it has none."""
        if self.masks is None or not self.records[sample].masked:
            return None
        return self.masks.mask(self.numbers[sample])

    def counts(self, part: str) -> tuple[int, ...]:
        """How many pictures of each class a part has."""
        found = Counter(self.records[index].label for index in self.split.indices(part))
        return tuple(found[label] for label in range(len(self.classes)))

    def volume(self) -> Volume:
        """The input these pictures ask for: their own size where they share one, else a square of the
        smaller side that half of them reach, at most 64, in steps of 8."""
        if len(set(self.sizes)) == 1:
            width, height = self.sizes[0]
        else:
            middle = sorted(min(size) for size in self.sizes)[len(self.sizes) // 2]
            width = height = max(8, min(LARGEST_SIDE, middle // 8 * 8))
        return Volume(1 if self.grey else 3, height, width)

    def digest(self, parts: Split) -> str:
        """SHA-256 of which pictures, classes and parts there are, whatever their names and order; pictures of no
        part do not count."""
        rows = sorted(
            f"{digest} {self.classes[record.label]} {part}"
            for record, digest, part in zip(self.records, self.digests, parts.parts, strict=True)
            if part
        )
        return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogateescape")).hexdigest()


def load_data(
    place: str | Path,
    *,
    to_learn: bool = True,
    exclude: Mapping[str, str] | None = None,
    group_by: str | None = None,
    split_from: str | Path | None = None,
    cache: str | Path | None = None,
    watch: Watch = unwatched,
) -> Data:
    """Read the pictures at a place: the name of a known set, a folder in one of the usual formats, an archive, a list.

    Every picture is looked at once; those that cannot be read are listed in `skipped` with the reason.
    to_learn: split them for training, validation and test; otherwise keep the parts the source names ('' where
    it names none), and any number of classes will do.
    exclude: paths to leave out, each with the reason, as `check` lists them. group_by: a regular expression; pictures
    whose paths give the same match never part. split_from: the split.csv of a run, or its folder; no row
    of it moves, and new pictures fill the shares.
    cache: the folder for what can be made again.
    Raises DataError where the place has no pictures, or nothing that could be learnt from; SettingError.
    """
    source, looked_at = find(place, to_learn, cache, watch), time.time()
    if to_learn:
        _check_labels(source)
    wanted = _wanted(source, exclude or {})
    looked, skipped = _less_placeholders(source, *look(source, cache, watch, wanted))
    if to_learn:
        _check_every_class(source, looked.keys(), skipped)
    if not looked:
        raise DataError(
            f"no picture at {place} can be read",
            got=_reasons(skipped) or "none at all",
            remedy="mend the pictures",
        )
    records = tuple(source.records[number] for number in looked)
    facts = tuple(looked.values())
    digests = tuple(found.digest for found in facts)
    named = by_pattern((record.path for record in records), group_by) if group_by else ("",) * len(records)
    groups = joined(near_groups(facts), named)
    rows = read_csv(Path(split_from)) if split_from is not None else None
    parts = split(records, digests, groups, rows) if to_learn else as_named(records)
    return Data(
        kind=source.kind,
        place=source.place,
        root=source.root,
        classes=source.classes,
        records=records,
        digests=digests,
        sizes=tuple(found.size for found in facts),
        facts=facts,
        groups=_group_names(groups, digests, named),
        numbers=tuple(looked),
        pictures=source.pictures,
        masks=source.masks,
        grey=all(found.grey for found in facts),
        split=parts,
        skipped=skipped,
        notes=(
            *source.notes,
            *_left_out(len(source.records) - len(wanted)),
            *_faults(source),
            *_together(facts, groups, group_by),
            *_copies(records, digests, parts),
        ),
        looked=looked_at,
    )


def _wanted(source: Source, exclude: Mapping[str, str]) -> list[int]:
    """The numbers of the records that are not left out."""
    unknown = set(exclude) - {record.path for record in source.records}
    if unknown:
        raise DataError(
            f"{len(unknown):,} of the paths to exclude are not in {source.place}",
            expected="paths as `torchbeam check` lists them for this very place",
            got=", ".join(sorted(unknown)[:3]),
        )
    return [number for number, record in enumerate(source.records) if record.path not in exclude]


def _less_placeholders(
    source: Source, looked: dict[int, Facts], skipped: tuple[Skipped, ...]
) -> tuple[dict[int, Facts], tuple[Skipped, ...]]:
    """Sets aside what is no photograph among photographs."""
    numbers = list(looked)
    odd = [numbers[index] for index in placeholders(list(looked.values()))]
    rest = {number: facts for number, facts in looked.items() if number not in odd}
    return rest, (*skipped, *(Skipped(source.records[number].path, REASON) for number in odd))


def _check_labels(source: Source) -> None:
    """Refuses pictures without a class of their own, before they are read."""
    bare = [record for record in source.records if record.label == UNLABELLED]
    if not bare:
        return
    has = "boxes" if bare[0].boxes is not None else "a mask" if bare[0].masked else "no label"
    raise DataError(
        f"{len(bare):,} of {len(source.records):,} pictures have no class of their own",
        expected="one class for each picture, which is what train learns",
        got=f"{source.kind} with {has}, as for {bare[0].path}",
        remedy="put the pictures of each class into a folder of that class's name",
    )


def _left_out(count: int) -> list[str]:
    return [f"{count:,} pictures are left out by the exclude list"] if count else []


def _faults(source: Source) -> list[str]:
    """One note for each kind of fault."""
    kinds = Counter(fault.kind for fault in source.faults)
    firsts = {fault.kind: fault for fault in reversed(source.faults)}
    return [
        f"{kind}, {count:,} times; first {firsts[kind].path}: {firsts[kind].reason}" for kind, count in kinds.items()
    ]


def _together(facts: tuple[Facts, ...], groups: tuple[int, ...], group_by: str | None) -> list[str]:
    """A note on pictures that stay together."""
    sizes = Counter(groups)
    several = [size for size in sizes.values() if size > 1]
    if group_by is not None:
        return [f"{sum(several):,} pictures in {len(several):,} groups stay together, by {group_by} or as copies"]
    copies = len(facts) - len({found.digest for found in facts})
    near = sum(size - 1 for size in several) - copies
    return [f"{near:,} pictures are near copies of others; they stay in one part with them"] if near > 0 else []


def _group_names(groups: tuple[int, ...], digests: tuple[str, ...], named: tuple[str, ...]) -> tuple[str, ...]:
    """What each group is called in split.csv: as the pattern found it first, else by the digest of its first picture;
    '' where a picture is alone. Every member has the same name, and no other group has it."""
    sizes = Counter(groups)
    name_of: dict[int, str] = {}
    for own, group in zip(named, groups, strict=True):
        if own:
            name_of.setdefault(group, own)
    return tuple(
        name_of.get(group) or (f"copies-{digests[group][:12]}" if sizes[group] > 1 else "") for group in groups
    )


def _copies(records: tuple[Record, ...], digests: tuple[str, ...], parts: Split) -> list[str]:
    """Notes on identical pictures where they spoil the result: in two parts, or in two classes."""
    in_parts: dict[str, set[str]] = {}
    in_classes: dict[str, set[int]] = {}
    for record, digest, part in zip(records, digests, parts.parts, strict=True):
        in_parts.setdefault(digest, set()).add(part)
        in_classes.setdefault(digest, set()).add(record.label)
    notes = []
    for part in ("val", "test"):
        both = sum({"train", part} <= seen for seen in in_parts.values())
        if both:
            notes.append(f"{both:,} pictures are in train and again in {part}: its figure is too good")
    twice = sum(len(labels) > 1 for labels in in_classes.values())
    if twice:
        notes.append(f"{twice:,} pictures are in two classes at once, so one of their labels is wrong")
    return notes


def _reasons(skipped: tuple[Skipped, ...]) -> str:
    return "\n".join(bad.reason for bad in skipped[:3])


def _check_every_class(source: Source, good: Collection[int], skipped: tuple[Skipped, ...]) -> None:
    """Refuses a source of which a whole class could not be read; a class must never vanish in silence."""
    learnt = {source.records[number].label for number in good if source.records[number].part in ("", "train")}
    lost = [name for label, name in enumerate(source.classes) if label not in learnt]
    if lost:
        raise DataError(
            f"no picture to learn from can be read of: {', '.join(lost)}",
            got=_reasons(skipped) or "none at all",
            remedy="mend the pictures, or take the class out",
        )
