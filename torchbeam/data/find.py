"""find: a place -> the source that lies there. A name, a folder, an archive or a single list of pictures; its format
is told by what is in it."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torchbeam.data import archive, known
from torchbeam.data.cachefolder import cache_folder
from torchbeam.data.records import Source
from torchbeam.data.sources import cifar, coco, csv, digits, folder, imagenet, masks, mnist, shapes, stl10, voc, yolo
from torchbeam.data.watch import Watch, unwatched
from torchbeam.design.arguments import nearest
from torchbeam.errors import DataError

# Sets that are drawn or come with a library, and need no file.
NAMED: dict[str, Callable[[], Source]] = {"digits": digits.read, "shapes": shapes.read}


@dataclass(frozen=True, slots=True)
class Format:
    """How data may lie in a folder: whether it does, and how it is read."""

    name: str
    here: Callable[[Path], bool]
    read: Callable[[Path, str, bool], Source]


# In this order: what says most about itself first.
FORMATS = (
    Format("mnist", mnist.here, mnist.read),
    Format("cifar", cifar.here, cifar.read),
    Format("stl10", stl10.here, stl10.read),
    Format("yolo", yolo.here, yolo.read),
    Format("coco", coco.here, coco.read),
    Format("voc", voc.here, voc.read),
    Format("imagenet", imagenet.here, imagenet.read),
    Format("csv", csv.here, csv.read),
    Format("masks", masks.here, masks.read),
)


def find(place: str | Path, to_learn: bool = True, cache: str | Path | None = None, watch: Watch = unwatched) -> Source:
    """The source at a place: the name of a known set, a folder, an archive (unpacked into the cache), a .csv or a
    COCO .json. Raises DataError, also where nothing is found."""
    if str(place) in NAMED or str(place) in known.KNOWN:
        return _by_name(str(place), to_learn, cache, watch)
    try:
        path = Path(place).expanduser()
        if path.is_file():
            return _in_file(path, str(place), to_learn, cache, watch)
        if not path.is_dir() and known.named(str(place)) is not None:
            return _by_name(str(place), to_learn, cache, watch)  # 'CIFAR-10'; a folder of that name came first
        if not path.is_dir():
            raise _nothing_at(place, "nothing there")
        return _in_folder(path, str(place), to_learn)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _nothing_at(place, "a name too long for any file") from error
        raise DataError(f"cannot read {error.filename or place}", got=error.strerror or str(error)) from error
    except (RuntimeError, ValueError) as error:  # a home that does not exist, a name no file can have
        raise _nothing_at(place, str(error)) from error


def _by_name(name: str, to_learn: bool, cache: str | Path | None, watch: Watch) -> Source:
    if name in NAMED:
        return _beside(NAMED[name](), name)
    return _beside(_in_folder(known.get(name, cache_folder(cache), watch), name, to_learn), name)


def _beside(source: Source, name: str) -> Source:
    beside = f"a folder {name} lies here too; to read it write ./{name}"
    return replace(source, notes=(*source.notes, beside)) if Path(name).is_dir() else source


def _in_file(path: Path, place: str, to_learn: bool, cache: str | Path | None, watch: Watch) -> Source:
    if archive.is_archive(path):
        return _in_folder(archive.unpacked(path, cache_folder(cache), watch), place, to_learn)
    if path.suffix.lower() in (".csv", ".tsv"):
        return csv.read(path.parent, place, to_learn, path)
    if path.suffix.lower() == ".json":
        return coco.read(path.parent, place, to_learn, path)
    raise _nothing_at(place, "a file of another kind")


def _in_folder(path: Path, place: str, to_learn: bool) -> Source:
    root = entered(path)
    for form in FORMATS:
        if form.here(root):
            return form.read(root, place, to_learn)
    return folder.read(root, place, to_learn)


def entered(root: Path) -> Path:
    """The folder with the data: goes down while a folder holds no pictures and exactly one folder (beside licence
    and readme files), and no format is seen there."""
    while True:
        entries = [path for path in root.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        folders = [path for path in entries if path.is_dir()]
        others = [
            path
            for path in entries
            if path.is_file() and not path.name.lower().startswith(("licen", "readme", "copying"))
        ]
        if len(folders) != 1 or others or folders[0].name.lower() in folder.NOT_FOR_LEARNING:
            return root
        if any(form.here(root) for form in FORMATS):
            return root
        inner = [path for path in folders[0].iterdir() if not path.name.startswith(".")]
        if any(folder.is_picture(path) for path in inner) and not any(path.is_dir() for path in inner):
            return root  # a single class folder is not a wrapper: the error names it
        root = folders[0]


def _nothing_at(place: str | Path, got: str) -> DataError:
    names = [*NAMED, *known.KNOWN]
    return DataError(
        f"no data at {place}",
        expected=f"a folder, a .zip, .tar, .csv or .json file, or one of the names {', '.join(names)}",
        got=got,
        remedy=_nearest_place(Path(os.path.expanduser(place)), names) or "check the path",
    )


def _nearest_place(path: Path, names: list[str]) -> str:
    """'did you mean ../hymenoptera?': of what lies beside, and of the names where the last part of the path alone is
    not there, what is called most like its first part that is not there; or nothing."""
    missing = path
    while not os.path.isdir(missing.parent) and missing.parent != missing:  # unlike Path's own, it takes any name
        missing = missing.parent
    try:
        beside = [entry for entry in sorted(missing.parent.iterdir()) if entry.is_dir() or _is_read(entry)]
    except OSError:
        beside = []
    near = {name: name for name in names if missing == path} | {entry.name.lower(): str(entry) for entry in beside}
    said = nearest(missing.name.lower(), list(near)).removeprefix("did you mean ").removesuffix("?")
    if not said:
        return ""
    whole = Path(near[said], path.relative_to(missing))
    return f"did you mean {whole if os.path.exists(whole) else near[said]}?"


def _is_read(path: Path) -> bool:
    return path.name.lower().endswith((*archive.SUFFIXES, ".csv", ".tsv", ".json"))
