"""Named networks learning real pictures: `python -m bench.networks`.

GoogLeNet (with its side heads) and ResNet-18 at 64 pixels, NIN at 32, each for one epoch on 2,000 of CIFAR-10's
training pictures, 200 of each class; plain loss on those pictures before and after, ln(10) = 2.303 being chance.
"""

import os
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch

from bench.machine import keep, machine
from torchbeam.data.augment.words import parse_augment
from torchbeam.data.batches import Batches, batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Fixed, Kept
from torchbeam.data.preprocess import Preprocessing, measure
from torchbeam.design.complete import complete
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.design.zoo import NETWORKS
from torchbeam.learn.evaluate import outputs_of
from torchbeam.learn.learner import Learner
from torchbeam.learn.loop import learn
from torchbeam.learn.objective import Objective
from torchbeam.learn.plan import Plan
from torchbeam.learn.way import PLAIN
from torchbeam.network.build import build
from torchbeam.tasks.classify import Classify

SHARED = Path(os.environ.get("TORCHBEAM_SHARED", Path(__file__).parents[2] / "shared"))
NETS = {"googlenet": 64, "resnet-18": 64, "nin-cifar": 32}
EACH = 200
CPU = torch.device("cpu")


def some_of_cifar(folder: Path, each: int) -> None:
    """The first `each` training pictures of every class, as class folders."""
    taken: Counter[str] = Counter()
    with zipfile.ZipFile(SHARED / "data" / "cifar10-jpeg.zip") as archive:
        for name in sorted(archive.namelist()):
            part, _, rest = name.partition("/")
            kind, _, file = rest.partition("/")
            if part == "train" and file and taken[kind] < each:
                taken[kind] += 1
                (folder / kind).mkdir(exist_ok=True)
                (folder / kind / file).write_bytes(archive.read(name))


def plain_loss(network: torch.nn.Module, task: Classify, part: Batches, preprocessing: Preprocessing) -> float:
    return task.plain_loss(*outputs_of(network, part, preprocessing, CPU)).item()


def learnt(name: str, side: int, folder: Path) -> dict[str, float]:
    data = load_data(folder)
    design = parse(NETWORKS[name].text)
    design = complete(replace(design, input=replace(design.input, volume=Volume(3, side, side))), classes=10)
    pixels = Fixed(data, Volume(3, side, side), Kept())
    everything = replace(data.split, parts=("train",) * len(data.records))
    training = batches(replace(data, split=everything), pixels, "train", 32)
    few = replace(training, samples=training.samples[:32])
    preprocessing = measure(Volume(3, side, side), (batch.pixels_NCHW for batch in training.in_order()))
    torch.manual_seed(0)
    network, task = build(design), Classify(data.classes)
    before = plain_loss(network, task, training, preprocessing)
    start = time.perf_counter()
    plan = Plan(epochs=1, batch_size=32, lr=0.02, seed=0, augment=parse_augment("shift 0.1"))
    learner = Learner(network, Objective(task, preprocessing, plan, PLAIN, CPU), len(training))
    for _ in learn(learner, training, few):
        pass
    seconds = time.perf_counter() - start
    return {"before": before, "after": plain_loss(network, task, training, preprocessing), "seconds": seconds}


def main() -> None:
    rows = {}
    with tempfile.TemporaryDirectory() as place:
        some_of_cifar(Path(place), EACH)
        for name, side in NETS.items():
            rows[name] = {key: round(value, 3) for key, value in learnt(name, side, Path(place)).items()}
            told = rows[name]
            print(
                f"{name:<12} {side} px  loss {told['before']:.3f} -> {told['after']:.3f}  {told['seconds']:.0f} s",
                flush=True,
            )
    print(f"on {machine()}")
    keep("networks", rows)


if __name__ == "__main__":
    main()
