"""CIFAR-10 and CIFAR-100 in their binary version: data_batch_1.bin ... test_batch.bin, or train.bin and test.bin.

Format: a picture is its label (CIFAR-100: the coarse label, then the fine one), one byte each, and 3 x 32 x 32 bytes:
the red plane, the green, the blue, row by row. Names of classes stand in batches.meta.txt or fine_label_names.txt, a
line each. Source: Krizhevsky, 'Learning Multiple Layers of Features from Tiny Images' (2009), and its page.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchbeam.data.pictures import Array
from torchbeam.data.records import Record, Source
from torchbeam.data.sources.namelist import read_names
from torchbeam.errors import DataError

SIDE = 32
PLANES = 3 * SIDE * SIDE


@dataclass(frozen=True, slots=True)
class _Version:
    """One of the two sets: its files by part, how its python version's are named, where its labels stand."""

    name: str
    train: re.Pattern[str]
    test: str
    names: str
    python: tuple[str, str]
    labels: int  # bytes before the pixels; the last of them is the label


_VERSIONS = (
    _Version(
        "cifar-10", re.compile(r"data_batch_[0-9]+\.bin"), "test_batch.bin", "batches.meta.txt",
        ("data_batch_1", "batches.meta"), 1,
    ),
    _Version("cifar-100", re.compile(r"train\.bin"), "test.bin", "fine_label_names.txt", ("train", "meta"), 2),
)  # fmt: skip


def here(root: Path) -> bool:
    """Whether CIFAR-10 or CIFAR-100 lies in a folder, in its binary or (to be refused in good words) python version."""
    try:
        return any(_binary(root, version) or _python(root, version) for version in _VERSIONS)
    except OSError:
        return False


def read(root: Path, place: str, to_learn: bool = True) -> Source:
    """The pictures of a folder of CIFAR's binary files, parts train and test, all the classes that its list names.

    Raises DataError where a file is damaged or missing, or only the python version lies there.
    """
    version = next((each for each in _VERSIONS if _binary(root, each)), None)
    if version is None:
        raise _no_binary(root)
    parts = _files(root, version)
    if to_learn and "train" not in parts.values():
        raise DataError(
            f"{root} has CIFAR's test file but none to learn from",
            expected=f"{_first(version)} beside it",
            remedy=f"unpack {version.name}-binary.tar.gz as a whole",
        )
    classes = read_names(root / version.names).names
    blocks = {path: _labels_and_planes(path, version, classes) for path in parts}
    records = tuple(
        Record(f"{path.stem}#{number:05d}", label, parts[path])
        for path, (labels, _) in blocks.items()
        for number, label in enumerate(labels.tolist())
    )
    pixels = np.empty((len(records), SIDE, SIDE, 3), np.uint8)
    start = 0
    for _, planes in blocks.values():
        pixels[start : start + len(planes)] = planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        start += len(planes)
    return Source(version.name, place, root, classes, records, Array(pixels), _notes(root, version))


def _binary(root: Path, version: _Version) -> bool:
    # train.bin alone says little; beside the list of names it is CIFAR-100
    return bool(_files(root, version)) and (version.labels == 1 or (root / version.names).is_file())


def _python(root: Path, version: _Version) -> bool:
    return all((root / name).is_file() for name in version.python)


def _files(root: Path, version: _Version) -> dict[Path, str]:
    """The binary files and their parts, batches in the order of their numbers."""
    train = [path for path in root.iterdir() if version.train.fullmatch(path.name) and path.is_file()]
    test = root / version.test
    found = dict.fromkeys(sorted(train, key=lambda path: (len(path.name), path.name)), "train")
    return found | ({test: "test"} if test.is_file() else {})


def _first(version: _Version) -> str:
    return "data_batch_1.bin to data_batch_5.bin" if version.labels == 1 else "train.bin"


def _no_binary(root: Path) -> DataError:
    version = next((each for each in _VERSIONS if _python(root, each)), _VERSIONS[0])
    return DataError(
        f"{root} does not hold CIFAR's binary version",
        expected=f"the binary version: {_first(version)}, {version.test} and {version.names}",
        got="the python version, whose files are programs to be run" if _python(root, version) else "none of its files",
        remedy=f"get {version.name}-binary.tar.gz from the page of the set",
    )


def _labels_and_planes(
    path: Path, version: _Version, classes: tuple[str, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Labels (N,) and planes (N, 3072) of one file."""
    size, row = path.stat().st_size, version.labels + PLANES
    if size == 0 or size % row:
        raise DataError(
            f"{path} is cut off or too long",
            expected=f"{row:,} bytes for each picture ({version.labels} for its label, {PLANES:,} for its pixels)",
            got=f"{size:,} bytes, which are {size / row:,.2f} pictures",
            remedy="get the file again",
        )
    rows = np.memmap(path, np.uint8, "r").reshape(-1, row)
    labels = np.array(rows[:, version.labels - 1])
    if labels.max() >= len(classes):
        at = int(labels.argmax())
        raise DataError(
            f"{path} has a label that {version.names} does not name",
            expected=f"0 to {len(classes) - 1}, for {len(classes)} classes",
            got=f"{labels[at]} for picture {at}",
            remedy="get both files again, from one archive",
        )
    return labels, rows[:, version.labels :]


def _notes(root: Path, version: _Version) -> tuple[str, ...]:
    if version.labels == 2:
        return ("the fine labels are read, the coarse ones passed over",)
    there = [int(path.stem.split("_")[-1]) for path, part in _files(root, version).items() if part == "train"]
    missing = [f"data_batch_{number}.bin" for number in range(1, 6) if number not in there]
    return (f"CIFAR-10 has five batches to learn from; not there: {', '.join(missing)}",) if there and missing else ()
