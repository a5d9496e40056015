"""Named networks learn real pictures: 100 of CIFAR-10, ten of each class."""

import io
import zipfile
from collections import Counter
from dataclasses import replace

import pytest
import torch
from data_makers import shared

from torchbeam.data.batches import batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Fixed, Kept
from torchbeam.data.preprocess import measure
from torchbeam.design.complete import complete
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.design.zoo import NETWORKS
from torchbeam.learn.learner import Learner
from torchbeam.learn.loop import Epoch, learn
from torchbeam.learn.objective import Objective
from torchbeam.learn.plan import Plan
from torchbeam.learn.way import PLAIN
from torchbeam.network.build import build
from torchbeam.tasks.classify import Classify

EACH = 10


@pytest.fixture(scope="module", autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    """A folder with the first pictures of every class, in class folders."""
    folder, taken = tmp_path_factory.mktemp("cifar"), Counter()
    archive = zipfile.ZipFile(io.BytesIO(shared("data", "cifar10-jpeg.zip").read_bytes()))
    for name in sorted(archive.namelist()):
        part, _, rest = name.partition("/")
        kind, _, file = rest.partition("/")
        if part == "train" and file and taken[kind] < EACH:
            taken[kind] += 1
            (folder / kind).mkdir(exist_ok=True)
            (folder / kind / file).write_bytes(archive.read(name))
    return folder


@pytest.mark.shared
@pytest.mark.parametrize(("name", "side"), [("googlenet", 64), ("resnet-18", 64), ("nin-cifar", 32)])
def test_the_loss_of_a_named_network_falls(name, side, cifar):
    data = load_data(cifar)
    assert len(data.records) == 100
    design = parse(NETWORKS[name].text)
    design = complete(replace(design, input=replace(design.input, volume=Volume(3, side, side))), classes=10)
    everything = replace(data, split=replace(data.split, parts=("train",) * len(data.records)))
    training = batches(everything, Fixed(data, Volume(3, side, side), Kept()), "train", 20)
    few = replace(training, samples=training.samples[:20])
    preprocessing = measure(Volume(3, side, side), (batch.pixels_NCHW for batch in training.in_order()))
    torch.manual_seed(0)
    network, task = build(design), Classify(data.classes)
    plan = Plan(epochs=3, batch_size=20, lr=0.02)
    objective = Objective(task, preprocessing, plan, PLAIN, torch.device("cpu"))
    records = learn(Learner(network, objective, len(training)), training, few)
    losses = [record.loss for record in records if isinstance(record, Epoch)]
    assert losses[-1] < losses[0] - 0.01
