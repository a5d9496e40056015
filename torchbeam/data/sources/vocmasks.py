"""VOC's masks: SegmentationClass tells the class of each pixel, SegmentationObject which object of the XML it is."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from torchbeam.data.colours import colour
from torchbeam.data.decode import read_bytes, size_of
from torchbeam.data.maskfiles import MaskFiles, stored_values
from torchbeam.data.records import IGNORE, NOTHING, Fault
from torchbeam.data.regions import Runs, box_of
from torchbeam.data.runlengths import runs_by_value
from torchbeam.data.sources.boxed import true_size
from torchbeam.data.sources.masks import Meaning
from torchbeam.data.sources.namelist import BACKGROUND, read_names
from torchbeam.errors import PictureError

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
VOID, WIDE_VOID = 255, 65_535  # what is not judged; the second where 255 is a class
# A coloured mask shows value k in this colour.
_COLOURS = {red << 16 | green << 8 | blue: value for value in range(256) for red, green, blue in [colour(value)]}
_BY_CLASS, _BY_OBJECT = "SegmentationClass", "SegmentationObject"


def read_meaning(root: Path, named: Collection[str]) -> Meaning:
    """The classes of the masks and what values mean; without classes where nothing tells.

    By labelmap.txt (in its order, the background being 0 wherever it stands) where it is there, else VOC's own 20
    classes where there are masks and every object is of one of them. Raises DataError.
    """
    if (root / "labelmap.txt").is_file():
        listed = read_names(root / "labelmap.txt")
        things = [name for name in listed.names if name.lower() not in BACKGROUND]
        number = {line: things.index(name) + 1 if name in things else 0 for line, name in enumerate(listed.names)}
        colours = {shade: number[line] for shade, line in listed.colours.items()}
        void = {shade: VOID for shade, value in _COLOURS.items() if value == VOID}
        return Meaning(tuple(things), _values(len(things)), void | colours if colours else {})
    if not (root / _BY_CLASS).is_dir():
        return Meaning((), {}, {})
    if set(named) <= set(CLASSES):
        return Meaning(CLASSES, _values(len(CLASSES)), _COLOURS)
    note = f"the masks in {_BY_CLASS} are left out: no labelmap.txt tells which value is which class"
    return Meaning((), {}, {}, (note,))


def _values(classes: int) -> dict[int, int]:
    void = VOID if classes < VOID else WIDE_VOID
    return {0: NOTHING, void: IGNORE} | {value: value for value in range(1, classes + 1)}


def class_masks(root: Path, told: Sequence[tuple[str, str]], meaning: Meaning) -> tuple[MaskFiles | None, list[Fault]]:
    """The masks of pictures, given by their path and their annotation's name; None where there are none.

    A mask of another size than its picture is left out, and a fault.
    """
    if not meaning.classes or not (root / _BY_CLASS).is_dir():
        return None, []
    paths, faults = [], []
    for picture, stem in told:
        name = f"{_BY_CLASS}/{stem}.png"
        if not (root / name).is_file():
            paths.append("")
            continue
        fault = _size_fault(root, picture, name)
        faults += [fault] if fault else []
        paths.append("" if fault else name)
    return (MaskFiles(root, tuple(paths), meaning.values, meaning.colours) if any(paths) else None), faults


def _size_fault(root: Path, picture: str, name: str) -> Fault | None:
    try:
        size = size_of(root / name, name)
    except PictureError as error:
        return Fault(picture, "mask unreadable", f"{error.reason}; left out")
    true = true_size(root, picture)
    if true is None or size == true:
        return None
    side = "; the picture lies on its side by its EXIF" if size == true[::-1] else ""
    reason = f"{name} is {size[0]}x{size[1]}, the picture {true[0]}x{true[1]}{side}; the mask is left out"
    return Fault(picture, "mask size", reason)


def shapes(
    root: Path, picture: str, stem: str, objects: Mapping[int, tuple[float, float, float, float]]
) -> tuple[dict[int, Runs], list[Fault]]:
    """The exact shape of each object that has one, by its number in the XML, from 1.

    objects: the box of each. A shape that lies outside its object's box, or has no object, is left out as a fault.
    """
    name = f"{_BY_OBJECT}/{stem}.png"
    if not (root / name).is_file():
        return {}, []
    if fault := _size_fault(root, picture, name):
        return {}, [fault]
    try:
        found = runs_by_value(stored_values(read_bytes(root / name), name, _COLOURS))
    except PictureError as error:
        return {}, [Fault(picture, "mask unreadable", f"{error.reason}; left out")]
    kept, faults = {}, []
    for number, runs in found.items():
        if number in (0, VOID, WIDE_VOID) and number not in objects:
            continue
        if number not in objects:
            faults.append(Fault(picture, "shape without object", f"{name} has an object {number}; left out"))
        elif not _meet(box_of(runs), objects[number]):
            reason = f"the shape of object {number} lies outside its box; left out"
            faults.append(Fault(picture, "shape elsewhere", reason))
        else:
            kept[number] = runs
    return kept, faults


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return max(one[0], other[0]) < min(one[2], other[2]) and max(one[1], other[1]) < min(one[3], other[3])
