"""torchbeam's side of the speed: `python -m bench.peers.own FOLDER EPOCHS`, through its library.

The lecture's network on CIFAR-10's binary files, from bytes in memory to the update, in the way that the machine
computes it fastest.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bench.peers.given import BATCH, LR, MEAN, MOMENTUM, SIDE, STD, say
from torchbeam.data.augment.words import parse_augment
from torchbeam.data.batches import Batches, batches
from torchbeam.data.load import Data, load_data
from torchbeam.data.pixels import Fixed, Kept
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.heap import keep_freed
from torchbeam.learn.choosing import Chosen, choose_way
from torchbeam.learn.learner import Learner
from torchbeam.learn.loop import Epoch, learn
from torchbeam.learn.objective import Objective
from torchbeam.learn.plan import Plan
from torchbeam.learn.way import Way
from torchbeam.network.build import build
from torchbeam.tasks.classify import Classify

NET = "INPUT 32x32x3 -> [CONV bias no -> BN -> RELU -> CONV bias no -> BN -> RELU -> POOL]*3 -> FC"
STEPS = 30 * 50_000 // BATCH  # of thirty epochs of CIFAR-10, which a choice should pay for
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def chosen_way(cache: Path) -> Chosen:
    """The way that this machine computes the lecture's network fastest, measured now."""
    return choose_way(build(parse(NET)), Volume(3, SIDE, SIDE), BATCH, DEVICE, STEPS, cache=cache)


def objective_of(data: Data, way: Way, epochs: int) -> Objective:
    plan = Plan(epochs, BATCH, LR, momentum=MOMENTUM, augment=parse_augment("flip, crop 4"))
    return Objective(Classify(data.classes), Preprocessing(SIDE, SIDE, 3, MEAN, STD), plan, way, DEVICE)


def trained(objective: Objective, training: Batches, validation: Batches) -> Iterator[Epoch]:
    """Trains by the loop that every run has; yields its epochs."""
    learner = Learner(build(parse(NET)), objective, len(training))
    return (record for record in learn(learner, training, validation) if isinstance(record, Epoch))


def main() -> None:
    folder, epochs = sys.argv[1:]
    keep_freed()  # as the train job does
    data = load_data(folder)
    with TemporaryDirectory() as cache:
        chosen = chosen_way(Path(cache))
    objective = objective_of(data, chosen.way, int(epochs))
    told = {"way": chosen.way.to_json(), "choosing": chosen.to_json()}
    say({"with": f"torch {torch.__version__}, {DEVICE.type}"} | told)
    pixels = Fixed(data, data.volume(), Kept(limit=0))
    training, validation = (batches(data, pixels, part, BATCH) for part in ("train", "val"))
    few = replace(validation, samples=validation.samples[:BATCH])  # no other side is measured either
    for record in trained(objective, training, few):
        say({"epoch": record.epoch, "pictures": len(training.samples)})


if __name__ == "__main__":
    main()
