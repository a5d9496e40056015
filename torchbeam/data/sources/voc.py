"""Pascal VOC: Annotations (an XML each), JPEGImages, ImageSets/Main (a list for each part), and masks as PNG.

Boxes are whole pixels counted from 1, both ends inside the box. Also what labelling tools make of it: pictures in
another folder or beside their XML, folders of parts, lists of classes with colours (labelmap.txt).
Source: Everingham et al., 'The PASCAL Visual Object Classes Challenge 2012 Development Kit'.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from torchbeam.data.decode import SUFFIXES
from torchbeam.data.pictures import Files
from torchbeam.data.records import UNLABELLED, Boxes, Fault, Record, Source, boxes
from torchbeam.data.sources.agreed import agreed, classes_boxed
from torchbeam.data.sources.boxed import sounded
from torchbeam.data.sources.folder import PART_NAMES, folders, natural, pictures_below
from torchbeam.data.sources.masks import PICTURE_FOLDERS
from torchbeam.data.sources.voclists import parts_listed
from torchbeam.data.sources.vocmasks import class_masks, read_meaning, shapes
from torchbeam.data.sources.xmltree import read_tree
from torchbeam.errors import DataError

_PICTURES = PICTURE_FOLDERS | {"pngimages", "jpgimages"}


@dataclass(frozen=True, slots=True)
class Told:
    """What an XML tells: its own name without suffix, the picture it names, (width, height), and the objects.

    xyxy: edges in pixels from 0. numbers: which object of the XML, from 1, each is; those that could not be read
    are left out.
    """

    stem: str
    filename: str
    size: tuple[int, int] | None
    names: tuple[str, ...]
    xyxy: tuple[tuple[float, float, float, float], ...]
    difficult: tuple[bool, ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of XML, that of their pictures, and the part they are."""

    part: str
    annotations: Path
    pictures: Path


def here(root: Path) -> bool:
    """Whether a folder Annotations with XML lies in `root`, or XML beside pictures, also in folders of parts."""
    try:
        return bool(_places(root))
    except OSError:
        return False


def read(root: Path, place: str, to_learn: bool = True) -> Source:
    """The pictures that an XML tells of, with their boxes, and their masks where there are any.

    Classes: those of labelmap.txt in its order, else those of the objects in natural order (VOC's own 20 in theirs
    where there are masks). Raises DataError where nothing is annotated or could be learnt from.
    """
    found = [(each, path) for each in _places(root) for path in _xml_below(each.annotations)]
    parts, list_faults = parts_listed(root, {_stem(path, each.annotations) for each, path in found})
    faults = list(list_faults)
    told: list[tuple[str, str, Told]] = []  # the picture's path, its part, and what its XML tells
    pictures = {each: _by_name(each.pictures) for each in dict.fromkeys(each for each, _ in found)}
    taken: set[str] = set()
    for each, path in found:
        one, wrong = _read_one(root, path, each.annotations)
        faults += wrong
        if one is None:
            continue
        picture, odd = _picture(root, each, one, pictures[each])
        if picture in taken:
            faults.append(Fault(picture, "annotated twice", f"also by {path.name}, which is left out"))
            continue
        taken.add(picture)
        faults += odd
        told.append((picture, each.part or parts.get(one.stem, ""), one))
    if not told:
        got = faults[0].reason if faults else "no XML"
        raise DataError(f"no annotation in {root} can be read", expected="an XML for each picture", got=got)
    bare = {path for known in pictures.values() for path in known.values()} - {root / path for path in taken}
    return _assembled(root, place, told, faults, to_learn, len(bare))


def _assembled(
    root: Path, place: str, told: list[tuple[str, str, Told]], faults: list[Fault], to_learn: bool, bare: int
) -> Source:
    named = {name for _, _, one in told for name in one.names}
    meaning = read_meaning(root, named)
    classes = meaning.classes or tuple(sorted(named, key=lambda name: (natural(name), name)))
    index_of = {name: index for index, name in enumerate(classes)}
    masks, mask_faults = class_masks(root, [(path, one.stem) for path, _, one in told], meaning)
    records = []
    for (path, part, one), mask in zip(told, masks.paths if masks else [""] * len(told), strict=True):
        held, wrong = _boxes(root, path, one, index_of)
        faults += wrong
        records.append(Record(path, UNLABELLED, part, held, bool(mask)))
    by_part = classes_boxed(records, classes)
    notes = [*meaning.notes, *agreed(root, classes, by_part, to_learn, meaning.classes)]
    if bare:
        notes.append(f"left out, without an annotation: {bare:,} pictures")
    files = Files(root, tuple(record.path for record in records))
    all_faults = (*faults, *mask_faults)
    return Source("voc", place, root, classes, tuple(records), files, tuple(notes), masks, all_faults)


def _boxes(root: Path, path: str, one: Told, index_of: Mapping[str, int]) -> tuple[Boxes, list[Fault]]:
    faults = [
        Fault(path, "class unknown", f"object {number} is a {name!r}, which labelmap.txt does not list; set aside")
        for name, number in zip(one.names, one.numbers, strict=True)
        if name not in index_of
    ]
    kept = [at for at, name in enumerate(one.names) if name in index_of]
    regions, odd = shapes(root, path, one.stem, dict(zip(one.numbers, one.xyxy, strict=True)))
    held = boxes(
        [one.xyxy[at] for at in kept],
        [index_of[one.names[at]] for at in kept],
        [regions.get(one.numbers[at]) for at in kept],
        [one.difficult[at] for at in kept],
    )
    sound_ones, wrong = sounded(root, path, held, one.size)
    return sound_ones, [*faults, *odd, *wrong]


# Where things lie


def _places(root: Path) -> list[Place]:
    inner = folders(root)
    annotations = [path for path in inner if path.name.lower() == "annotations" and _has_xml(path)]
    if annotations:
        pictures = [path for path in inner if path.name.lower() in _PICTURES]
        jpeg = [path for path in pictures if path.name == "JPEGImages"]
        return [Place("", annotations[0], (jpeg or pictures or [root])[0])]
    parts = [path for path in inner if path.name.lower() in PART_NAMES and _beside_pictures(path)]
    if parts:
        return [Place(PART_NAMES[path.name.lower()], path, path) for path in parts]
    return [Place("", root, root)] if _beside_pictures(root) else []


def _has_xml(folder: Path) -> bool:
    return any(True for _ in folder.rglob("*.xml"))


def _beside_pictures(folder: Path) -> bool:
    """Whether pictures and XML of the same names lie in a folder."""
    known = {path.stem for path in folder.glob("*.xml")}
    return any(path.stem in known and path.suffix.lower() in SUFFIXES for path in folder.iterdir())


def _xml_below(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*.xml") if not path.name.startswith(".") and path.is_file()]
    return sorted(found, key=lambda path: (natural(path.as_posix()), path.as_posix()))


def _stem(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _by_name(folder: Path) -> dict[str, Path]:
    """The pictures below a folder by their place in it, with and without suffix, and by their bare name without."""
    known: dict[str, Path] = {}
    for path in pictures_below(folder):
        inside = path.relative_to(folder)
        for name in (inside.as_posix(), inside.with_suffix("").as_posix(), path.stem):
            known.setdefault(name, path)
    return known


def _picture(root: Path, place: Place, one: Told, known: Mapping[str, Path]) -> tuple[str, list[Fault]]:
    """The path of an annotation's picture: that of the XML's own name, else the one it names.

    Nothing but the last part of the name that is told is used, so that none leads out of the folder.
    """
    own = PurePosixPath(one.stem)
    named = PurePosixPath(PurePosixPath(one.filename.replace("\\", "/")).name)
    stem = named.stem if named.suffix.lower() in SUFFIXES else named.name
    exact = known.get((own.parent / named).as_posix()) if stem == own.name else None
    found = exact or known.get(one.stem) or known.get(own.name) or known.get(stem)
    if found is None:
        name = named.name if stem != named.name else f"{own.name}.jpg"
        return (place.pictures / own.parent / name).relative_to(root).as_posix(), []
    path = found.relative_to(root).as_posix()
    if named.name not in ("", found.name, found.stem):
        return path, [Fault(path, "picture name differs", f"{one.stem}.xml names {named}; {found.name} is taken")]
    return path, []


# What an XML tells


def _read_one(root: Path, path: Path, folder: Path) -> tuple[Told | None, list[Fault]]:
    name = path.relative_to(root).as_posix()
    try:
        tree = read_tree(path)
    except DataError as error:
        reason = f"{error.what} ({error.got})" if error.got else error.what
        return None, [Fault(name, "annotation unreadable", f"{reason}; its picture is left out")]
    faults = []
    things: list[tuple[str, tuple[float, float, float, float], bool, int]] = []
    for number, thing in enumerate(tree.findall("object"), start=1):
        what, edges = _text(thing, "name"), _edges(thing)
        if not what or edges is None:
            missing = "has no box of four numbers" if what else "has no name"
            faults.append(Fault(name, "object incomplete", f"object {number} {missing}; set aside"))
        else:
            things.append((what, edges, _text(thing, "difficult").lower() in ("1", "true"), number))
    names, xyxy, difficult, numbers = zip(*things, strict=True) if things else ((), (), (), ())
    return Told(_stem(path, folder), _text(tree, "filename"), _size(tree), names, xyxy, difficult, numbers), faults


def _edges(thing: ElementTree.Element) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom edge; pixels counted from 1, both ends inside, become edges counted from 0.

    A box that ends before it begins is left as it is told, and a single point has no area: both are no boxes.
    """
    try:
        left, top, right, bottom = (float(_text(thing, f"bndbox/{end}")) for end in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError:
        return None
    if right < left or bottom < top:
        return left, top, right, bottom
    if right == left and bottom == top:
        return left - 1, top - 1, left - 1, top - 1
    return left - 1, top - 1, right, bottom


def _size(tree: ElementTree.Element) -> tuple[int, int] | None:
    try:
        width, height = int(_text(tree, "size/width")), int(_text(tree, "size/height"))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None  # some tools leave zeros


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
