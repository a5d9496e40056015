"""Transfer, beside PyTorch's tutorial: `python -m bench.transfer speed|splits|advice|precision`.

speed: the whole command on photos of ants and bees, from nothing and once more, beside the imports that it needs; the
tutorial's 25 epochs with the backbone frozen and run anew in each (bench/peers/tutorial.py), with the curve of accuracy
against seconds; then, on codes that are kept, a new head, another list of classes and one fold; fine-tuning; fastai's
`fine_tune` where it is installed.

splits: the whole job on ten stratified re-splits of all photos, and on twenty draws of 20 pictures a class.

advice: four quadrants, each with every strategy run to its end in three draws: what the adviser chose, and what was
best. precision: decisions by codes in bf16 that differ from those in fp32.

The real data and weights lie in the folder named by TORCHBEAM_SHARED, or in ../shared.
"""

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bench.machine import keep, machine
from bench.train import lines, side
from torchbeam.data.load import Data, load_data
from torchbeam.data.pixels import Kept
from torchbeam.data.split import to_csv
from torchbeam.jobs.choosebackbone import backbone_for
from torchbeam.jobs.ground import Ground, advice_for, ground_of
from torchbeam.jobs.screen import Screen
from torchbeam.jobs.transfer import transfer
from torchbeam.learn.folds import stratified
from torchbeam.learn.heads import fit_head
from torchbeam.learn.way import Way

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("TORCHBEAM_SHARED") or ROOT.parent / "shared")
WEIGHTS = SHARED / "weights" / "mobilenet_v2_from_int8_fp16.pth"
PHOTOS = SHARED / "data" / "hymenoptera"
BACKBONE = "mobilenet-v2"
IMPORTS = "import torch, torchvision, sklearn.svm, matplotlib.pyplot"
TUTORIAL_EPOCHS, RESPLITS, DRAWS, FEW = 25, 10, 20, 20
SEEDS = 3
MODES = ("codes", "stage", "finetune", "scratch")


def seconds_of(command: list[str]) -> tuple[float, str]:
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - begun, done.stdout


def command(place: Path, name: str, *more: str) -> list[str]:
    told = [sys.executable, "-m", "torchbeam", "transfer", str(PHOTOS), "--backbone", BACKBONE]
    told += ["--weights", str(WEIGHTS), "--json", "--out", str(place / name), "--cache", str(place / "cache")]
    return [*told, *more]


def speed() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        first, said = seconds_of(command(place, "first"))
        again, _ = seconds_of(command(place, "again"))
        imports = min(seconds_of([sys.executable, "-c", IMPORTS])[0] for _ in range(3))
        accuracy = json.loads(said)["test"]["accuracy"]
        print(f"from nothing {first:.1f} s, {accuracy:.2%}; again {again:.1f} s; imports {imports:.1f} s", flush=True)
        epochs = tutorial()
        seconds = [at for at, _ in epochs]
        each = (seconds[-1] - seconds[0]) / (len(seconds) - 1)
        kept = on_kept_codes(place / "cache")
        tuned, said = seconds_of(command(place, "tuned", "--mode", "finetune"))
        return {
            "from nothing, seconds": round(first, 2),
            "accuracy": accuracy,
            "again, seconds": round(again, 2),
            "imports, seconds": round(imports, 2),
            "tutorial": [(round(at, 1), round(score, 4)) for at, score in epochs],
            "times fewer seconds than its 25 epochs": round(seconds[-1] / first, 1),
            "seconds after its first epoch": round(first - seconds[0], 1),
            "on kept codes, seconds": {name: round(taken, 3) for name, taken in kept.items()},
            "times fewer than one of its epochs": {name: round(each / taken, 1) for name, taken in kept.items()},
            "fine-tuning, seconds": round(tuned, 1),
            "fine-tuning, accuracy": json.loads(said)["test"]["accuracy"],
            "fastai": "not installed" if find_spec("fastai") is None else "installed",
        }


def tutorial() -> list[tuple[float, float]]:
    """(seconds since its start, accuracy) after each epoch."""
    inside = PHOTOS / "hymenoptera_data"
    said = lines(side("tutorial", inside / "train", inside / "val", WEIGHTS, TUTORIAL_EPOCHS))
    epochs = []
    for at, line in said:
        if "epoch" in line:
            epochs.append((at, line["score"]))
            print(f"tutorial, epoch {line['epoch']:>2}: {at:6.1f} s  {line['score']:.2%}", flush=True)
    return epochs


def ground_for(data: Data, cache: Path, size: str | None = None, way: Way | None = None) -> Ground:
    screen = Screen(False)
    backbone, preprocessing = backbone_for(
        BACKBONE, WEIGHTS, len(data.records), size, cache, screen, torch.device("cpu")
    )
    ground = ground_of(data, backbone, preprocessing, torch.device("cpu"), Kept(cache), 2, 0, screen)
    if way is None:
        return ground
    layout = torch.channels_last if way.channels_last else torch.contiguous_format
    ground.runs.network.to(memory_format=layout)  # type: ignore[call-overload]
    return replace(ground, way=way)


def on_kept_codes(cache: Path) -> dict[str, float]:
    """Seconds of a new head, of one for a list of classes (the same, renamed and the other way round), and of a fold,
    each with its codes read from the cache."""
    data = load_data(PHOTOS, cache=cache)
    ground = ground_for(data, cache)
    learnt, tested = ground.samples("train", "val"), ground.samples("test")
    screen = Screen(False)

    def timed(work: Callable[[], object]) -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    def head(samples: NDArray[np.int64], turned: bool = False) -> None:
        codes = ground.codes(np.concatenate([samples, tested]), ["codes"], screen).vectors["codes"]
        labels = ground.labels(samples)
        made = fit_head(codes[: len(samples)], 1 - labels if turned else labels, data.classes)
        made.scores(codes[len(samples) :])

    head(learnt)
    return {
        "a new head": timed(lambda: head(learnt)),
        "another list of classes": timed(lambda: head(learnt, True)),
        "one fold": timed(lambda: head(learnt[np.arange(len(learnt)) % 5 != 0])),
    }


def splits() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        data = load_data(PHOTOS, cache=place / "cache")
        labels = np.array([record.label for record in data.records])
        share = sum(part == "test" for part in data.split.parts)
        again = [
            accuracy(place, f"split-{seed}", data, parts_of(labels, len(labels) - share, seed))
            for seed in range(RESPLITS)
        ]
        print(f"ten re-splits: {mean(again):.2%}, {[round(100 * one, 1) for one in again]}", flush=True)
        few = [
            accuracy(place, f"few-{seed}", data, parts_of(labels, FEW * len(data.classes), seed, even=True))
            for seed in range(DRAWS)
        ]
        print(f"{FEW} a class: {mean(few):.2%}, {[round(100 * one, 1) for one in few]}", flush=True)
    return {"re-splits": again, "mean of re-splits": mean(again), "few": few, "mean of few": mean(few)}


def parts_of(labels: NDArray[np.int64], count: int, seed: int, even: bool = False) -> list[str]:
    """'train' for that many pictures, of each class its share or, even, as many; 'test' for the others."""
    chance = np.random.default_rng(seed)
    parts = np.full(len(labels), "test", dtype=object)
    for label in np.unique(labels):
        own = chance.permutation(np.flatnonzero(labels == label))
        share = FEW if even else round(count * len(own) / len(labels))
        parts[own[:share]] = "train"
        parts[own[: max(1, share // 10)]] = "val"
    return parts.tolist()


def accuracy(place: Path, name: str, data: Data, parts: list[str]) -> float:
    """The whole job on these parts, on the codes that are kept."""
    rows = place / f"{name}.csv"
    rows.write_text(to_csv(data.records, data.digests, data.classes, data.groups, parts))
    done = transfer(
        PHOTOS, backbone=BACKBONE, weights=WEIGHTS, split=rows, out=place / name, cache=place / "cache", show=False
    )
    return done.test.accuracy


# the four quadrants


def cifar(place: Path, seed: int) -> tuple[Path, str]:
    """4,000 pictures of CIFAR-10 to learn from and 2,000 for the test, at 96 pixels."""
    with zipfile.ZipFile(SHARED / "data" / "cifar10-jpeg.zip") as packed:
        names = [name for name in packed.namelist() if name.endswith((".jpg", ".png"))]
        for part, count in (("train", 4000), ("test", 2000)):
            own = sorted(name for name in names if f"/{part}/" in f"/{name}")
            labels = np.unique([name.split("/")[-2] for name in own], return_inverse=True)[1]
            for at in stratified(labels, count, 1, seed):
                name = own[at]
                to = place / part / name.split("/")[-2] / name.split("/")[-1]
                to.parent.mkdir(parents=True, exist_ok=True)
                to.write_bytes(packed.read(name))
    return place, "96"


def fashion(place: Path, seed: int) -> tuple[Path, str]:
    """4,000 pictures of Fashion-MNIST to learn from and 2,000 for the test, at 96 pixels."""
    folder = SHARED / "data" / "fashion-mnist"
    for part, stem, count in (("train", "train", 4000), ("test", "t10k", 2000)):
        pictures, labels = (
            np.frombuffer(gzip.decompress((folder / f"{stem}-{what}-ubyte.gz").read_bytes()), np.uint8)[skip:]
            for what, skip in (("images-idx3", 16), ("labels-idx1", 8))
        )
        pictures = pictures.reshape(-1, 28, 28)
        for at in stratified(labels.astype(np.int64), count, 1, seed).tolist():
            to = place / part / f"class{labels[at]}" / f"{at}.png"
            to.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pictures[at]).save(to)
    return place, "96"


def membrane(place: Path, seed: int) -> tuple[Path, str]:
    """Patches of 96 pixels by what lies at their centre: 200 from the first twenty images, 600 from the last ten."""
    chance = np.random.default_rng(seed)
    pictures = sorted((SHARED / "data" / "membrane").rglob("*.png"))
    images = {
        path.stem: path for path in pictures if "label" not in str(path.parent) and "mask" not in str(path.parent)
    }
    masks = {path.stem: path for path in pictures if path not in images.values()}
    for part, numbers, count in (("train", range(20), 200), ("test", range(20, 30), 600)):
        for number in range(count):
            wanted = number % 2
            name = str(chance.choice([str(each) for each in numbers]))
            image, mask = (np.array(Image.open(each[name]).convert("L")) for each in (images, masks))
            inside = mask[48:-48, 48:-48] > 127
            rows, columns = np.nonzero(inside == bool(wanted))
            at = int(chance.integers(len(rows)))
            to = place / part / ("inside" if wanted else "membrane") / f"{number}.png"
            to.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[rows[at] : rows[at] + 96, columns[at] : columns[at] + 96]).save(to)
    return place, "96"


def hymenoptera(place: Path, seed: int) -> tuple[Path, str]:
    """All photos, split anew."""
    data = load_data(PHOTOS)
    labels = np.array([record.label for record in data.records])
    parts = parts_of(labels, sum(part != "test" for part in data.split.parts), seed)
    rows = place / "split.csv"
    rows.write_text(to_csv(data.records, data.digests, data.classes, data.groups, parts))
    return PHOTOS, "224"


CASES: dict[str, tuple[Callable[[Path, int], tuple[Path, str]], int]] = {
    "little and near: ants and bees": (hymenoptera, 10),
    "much and near: CIFAR-10": (cifar, SEEDS),
    "little and far: membranes": (membrane, SEEDS),
    "much and far: Fashion-MNIST": (fashion, SEEDS),
}


def advice(wanted: str | None, seeds: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for case, (made, usual) in CASES.items():
        if wanted is not None and wanted not in case:
            continue
        rows: dict[str, list[list[bool]]] = {mode: [] for mode in MODES}
        chosen: list[str] = []
        kept: list[list[bool]] = []
        for seed in range(seeds or usual):
            # Of the first case's ten re-splits the slow strategies take three.
            modes = MODES if seed < SEEDS else ("codes", "stage")
            with tempfile.TemporaryDirectory() as folder:
                place, size = made(Path(folder), seed)
                advised = adviser_on(place, size, seed, Path(folder))
                own: dict[str, list[bool]] = {}
                for mode in modes:
                    own[mode], took, worse = one(place, size, mode, seed, Path(folder))
                    rows[mode].append(own[mode])
                    # What is worse than the codes on pictures held out would not have been kept.
                    if mode == advised:
                        chosen.append("codes" if worse else mode)
                    print(f"{case}, seed {seed}, {mode:<9} {mean(own[mode]):.2%} in {took:.0f} s", flush=True)
                kept.append(own[chosen[-1]])
                print(f"{case}, seed {seed}, the adviser: {advised}, kept {chosen[-1]}", flush=True)
        found[case] = judged(rows, chosen, kept)
        print(f"{case}: {json.dumps(found[case])}\n", flush=True)
    return found


def adviser_on(place: Path, size: str, seed: int, folder: Path) -> str:
    """The mode that the adviser names for this draw."""
    rows = folder / "split.csv"
    data = load_data(place, cache=folder / "cache", split_from=rows if rows.exists() else None)
    return advice_for(replace(ground_for(data, folder / "cache", size), seed=seed), Screen(False)).mode


def one(place: Path, size: str, mode: str, seed: int, folder: Path) -> tuple[list[bool], float, bool]:
    """(which test pictures are right, seconds, whether it was worse than the codes on pictures held out)."""
    begun = time.perf_counter()
    split = folder / "split.csv"
    done = transfer(
        place,
        backbone=BACKBONE,
        weights=WEIGHTS,
        mode=mode,
        size=size,
        seed=seed,
        out=folder / f"run-{mode}",
        cache=folder / "cache",
        split=split if split.exists() else None,
        keep_worse=True,
        show=False,
    )
    rows = list(csv.DictReader((done.out / "test.csv").read_text().splitlines()))
    worse = bool(done.rivals) and done.rivals[0].accuracy < done.rivals[1].accuracy
    return [row["class"] == row["called"] for row in rows], time.perf_counter() - begun, worse


def judged(rows: dict[str, list[list[bool]]], chosen: list[str], kept: list[list[bool]]) -> dict[str, Any]:
    """The mean accuracy of each strategy, what the adviser's choices came to, and whether the best is within 2 points
    of that or within the paired 95 % bootstrap interval."""
    means = {mode: mean(mean(one) for one in found) for mode, found in rows.items() if found}
    # On the draws that every strategy took.
    count = min(len(found) for found in rows.values())
    shared = {mode: mean(mean(one) for one in found[:count]) for mode, found in rows.items()}
    best = max(shared, key=lambda mode: shared[mode])
    own = mean(mean(one) for one in kept[:count])
    difference = np.concatenate(
        [np.array(first, float) - np.array(second, float) for first, second in zip(rows[best], kept, strict=False)]
    )
    chance = np.random.default_rng(0)
    means_of = difference[chance.integers(len(difference), size=(2000, len(difference)))].mean(1)
    low, high = np.quantile(means_of, [0.025, 0.975]).tolist()
    return {
        "strategies": {mode: round(share, 4) for mode, share in means.items()},
        "adviser": chosen,
        "its accuracy": round(own, 4),
        "best": best,
        "behind the best": round(shared[best] - own, 4),
        "interval": [round(low, 4), round(high, 4)],
        "right": shared[best] - own <= 0.02 or low <= 0,
    }


def precision() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        small, _ = cifar(place / "cifar", 0)
        return {
            "ants and bees": differing(PHOTOS, place, None),
            "CIFAR-10": differing(small, place, "96"),
        }


def differing(where: Path, place: Path, size: str | None) -> dict[str, int]:
    """How many test pictures are called otherwise by codes in bf16 than by those in fp32, heads fitted on each."""
    data = load_data(where, cache=place / "cache")
    called = []
    for way in (Way("fp32"), Way("bf16", channels_last=True)):
        ground = ground_for(data, place / "cache", size, way)
        learnt, tested = ground.samples("train", "val"), ground.samples("test")
        codes = ground.codes(np.concatenate([learnt, tested]), ["codes"], Screen(False)).vectors["codes"]
        head = fit_head(codes[: len(learnt)], ground.labels(learnt), data.classes)
        called.append(head.scores(codes[len(learnt) :]).argmax(1))
    return {"pictures": len(called[0]), "called otherwise": int((called[0] != called[1]).sum())}


def stages(case: str | None, seeds: int | None) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    yield "speed", speed
    yield "splits", splits
    yield "advice", lambda: advice(case, seeds)
    yield "precision", precision


def main() -> None:
    told = argparse.ArgumentParser(prog="python -m bench.transfer", description=(__doc__ or "").partition("\n")[0])
    told.add_argument("stage", choices=["speed", "splits", "advice", "precision"])
    told.add_argument("--case", help="of advice: a part of its name, as in CIFAR")
    told.add_argument("--seeds", type=int, help="of advice: draws of each case")
    given = told.parse_args()
    found = dict(stages(given.case, given.seeds))[given.stage]()
    print(json.dumps(found, indent=1))
    keep(f"transfer-{given.stage}" + (f"-{given.case}" if given.case else ""), found)
    print(f"on {machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
