"""Pictures a second, beside torchvision's ImageFolder and DataLoader: `python -m bench.data`.

Both make the same batches: a random crop of 8 to 100 % of each picture scaled to 224x224 (bilinear, antialiased),
flipped one time in two, normalised, float. torchvision has two worker processes, torchbeam two threads. The photos
are hymenoptera's, repeated, each copy with a comment of its own so that none is known already; then the same photos
enlarged to 12 million pixels. Clocks start with the first batch, so that no one's start is counted; the look that
torchbeam takes at every picture before a run is shown beside it. All in one run, one after the other.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from bench.machine import keep, machine
from torchbeam.data.augment.apply import augmented
from torchbeam.data.augment.words import parse_augment
from torchbeam.data.batches import batches
from torchbeam.data.load import Data, load_data
from torchbeam.data.pixels import Fixed, Kept, Roomy
from torchbeam.design.volume import Volume
from torchbeam.heap import keep_freed

SHARED = Path(__file__).parents[2] / "shared" / "data" / "hymenoptera" / "hymenoptera_data"
COPIES = 7  # of 396 photos: 2,772
LARGE = 200
BATCH = 32
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AUGMENT, REST = parse_augment("flip, resizedcrop 0.08:1"), parse_augment("none")
VOLUME = Volume(3, 224, 224)


def photos(folder: Path, copies: int) -> Path:
    """Class folders of so many copies of every photo, no two files alike."""
    for path in sorted(SHARED.rglob("*.jpg")):
        content = path.read_bytes()
        if not content.startswith(b"\xff\xd8"):
            continue
        for copy in range(copies):
            comment = f"copy {copy}".encode()
            marked = content[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + content[2:]
            place = folder / path.parent.name / f"{path.stem}-{copy}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(marked)
    return folder


def enlarged(folder: Path, count: int) -> Path:
    """The same photos at 12 million pixels."""
    for path in sorted(SHARED.rglob("*.jpg"))[:: 396 // count][:count]:
        try:
            with Image.open(path) as image:
                picture = image.convert("RGB")
        except OSError:
            continue
        scale = (12e6 / (picture.width * picture.height)) ** 0.5
        place = folder / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        size = (round(picture.width * scale), round(picture.height * scale))
        picture.resize(size, Image.Resampling.BICUBIC).save(place, quality=90)
    return folder


def rate(made: Iterator[Tensor]) -> float:
    """Pictures a second after the first batch."""
    next(made)
    start, seen = time.perf_counter(), 0
    for pictures in made:
        seen += len(pictures)
    return seen / (time.perf_counter() - start)


def torchvisions(folder: Path) -> Iterator[Tensor]:
    change = v2.Compose(
        [
            v2.RandomResizedCrop(224, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    loader = DataLoader(ImageFolder(str(folder), change), BATCH, shuffle=True, num_workers=2)
    for pictures, _ in loader:
        yield pictures


def torchvisions_old(folder: Path) -> Iterator[Tensor]:
    """The same with the transforms that torchvision's users know longest."""
    import torchvision.transforms as v1  # noqa: PLC0415

    change = v1.Compose([v1.RandomResizedCrop(224), v1.RandomHorizontalFlip(), v1.ToTensor(), v1.Normalize(MEAN, STD)])
    for pictures, _ in DataLoader(ImageFolder(str(folder), change), BATCH, shuffle=True, num_workers=2):
        yield pictures


def torchbeams(data: Data, pixels: Fixed | Roomy, epoch: int) -> Iterator[Tensor]:
    for batch in batches(data, pixels, "", BATCH, workers=2).epoch(0, epoch):
        yield augmented(REST, batch.pixels_NCHW, batch.samples, 0, epoch, MEAN, STD).pictures_NCHW


def anonymous_kilobytes() -> int:
    """Memory of this process that is its own, in kB: mapped files, which the system may drop, not counted."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def side_by_side(folder: Path, cache: Path) -> dict[str, Any]:
    start = time.perf_counter()
    data = load_data(folder, to_learn=False, cache=cache)
    looked = time.perf_counter() - start
    pixels = Roomy(data, VOLUME, AUGMENT, Kept(cache))
    theirs = max(rate(torchvisions(folder)), rate(torchvisions_old(folder)))
    keep_freed()  # as the train job does
    first = rate(torchbeams(data, pixels, 1))
    later = [rate(torchbeams(data, pixels, epoch)) for epoch in (2, 3)]
    again = max(rate(torchvisions(folder)), rate(torchvisions_old(folder)))
    return {
        "pictures": len(data.records),
        "torchvision": round(max(theirs, again)),
        "first pass": round(first),
        "later passes": round(max(later)),
        "first ratio": round(first / max(theirs, again), 2),
        "later ratio": round(max(later) / max(theirs, again), 2),
        "look, pictures a second": round(len(data.records) / looked),
    }


def memory(folder: Path, cache: Path) -> int:
    """The most memory of its own, in MB, that a pass over a folder takes beyond what was there when it began, in a
    process of its own; as for pictures that do not fit into memory."""
    code = (
        "import sys; from bench.data import *\n"
        "data = load_data(sys.argv[1], to_learn=False, cache=sys.argv[2])\n"
        "pixels = Roomy(data, VOLUME, AUGMENT, Kept(sys.argv[2]), memory=0)\n"
        "most = 0\n"
        "made = torchbeams(data, pixels, 1); next(made); before = anonymous_kilobytes()\n"
        "for _ in made: most = max(most, anonymous_kilobytes())\n"
        "print(most - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(cache)], capture_output=True, text=True, check=True
    )
    return round(int(done.stdout) / 1000)


def main() -> None:
    torch.set_num_threads(1)  # as torch itself does in DataLoader's workers
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        small, few, large = photos(root / "small", COPIES), photos(root / "few", 1), enlarged(root / "large", LARGE)
        figures["photos"] = side_by_side(small, root / "cache")
        figures["12 megapixels"] = side_by_side(large, root / "cache-large")
        figures["memory of a pass, MB"] = {
            "396 pictures": memory(few, root / "cache-few"),
            f"{396 * COPIES:,} pictures": memory(small, root / "cache-many"),
        }
    print(json.dumps(figures, indent=2))
    print(f"on {machine()}")
    keep("data", figures)


if __name__ == "__main__":
    main()
