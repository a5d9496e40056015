"""Designs at other sizes. Judges: torchvision's and timm's networks on the same sizes, torch running what is built,
and sums worked by hand."""

import pytest
import timm
import torch
import torchvision.models as tv
from hypothesis import given, settings
from hypothesis import strategies as st

from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse, write
from torchbeam.design.resized import at_size, smallest_input
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import DesignError, FitError
from torchbeam.network.build import build

# 5x5 leaves n - 4, the pool halves that, 3x3 needs 3 of it.
SMALL = "INPUT 32x32x3 -> CONV 8 5x5 pad 0 -> POOL max 2x2 -> CONV 4 3x3 pad 0 -> POOL avg global -> FC 10"


def zoo(name):
    return parse(NETWORKS[name].text)


def runs(network, size):
    """Whether torch takes a picture of that size."""
    try:
        network(torch.empty(1, 3, size, size, device="meta"))
    except RuntimeError:
        return False
    return True


def test_a_design_at_another_size_has_the_volumes_torchvision_has():
    with torch.device("meta"):
        features = tv.vgg11().features
    design = at_size(zoo("vgg-11"), 320, 256)
    _, *volume = features(torch.empty(1, 3, 256, 320, device="meta")).shape
    made = ledger(design).row("pool5").output
    assert [made.channels, made.height, made.width] == volume
    assert str(design.input.volume) == "320x256x3"
    assert ledger(design).parameters == ledger(at_size(design, 224, 224)).parameters == NETWORKS["vgg-11"].parameters
    assert parse(write(design)) == design


@pytest.mark.parametrize(
    ("name", "make", "smallest"),
    [
        ("vgg-11", tv.vgg11, 32),
        ("alexnet", tv.alexnet, 63),
        ("resnet-18", tv.resnet18, 1),
        ("inception-v4", lambda: timm.create_model("inception_v4", pretrained=False), 75),
    ],
)
def test_the_smallest_input_is_where_the_published_network_stops_to_run(name, make, smallest):
    with torch.device("meta"):
        judge = make().eval()
    assert smallest_input(zoo(name)) == smallest
    assert runs(judge, smallest)
    assert smallest == 1 or not runs(judge, smallest - 1)


def test_the_smallest_input_worked_by_hand():
    assert smallest_input(parse(SMALL)) == 10
    with pytest.raises(FitError, match="does not fit"):
        at_size(parse(SMALL), 11, 11)
    assert smallest_input(parse("INPUT 40x24x3 -> CONV 4 3x3 pad 0 -> POOL avg to 2x2 -> FC 3")) == 3


@settings(max_examples=15, deadline=None)
@given(
    kernels=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    strides=st.lists(st.integers(1, 3), min_size=3, max_size=3),
    pads=st.lists(st.integers(0, 2), min_size=3, max_size=3),
)
def test_one_pixel_less_than_the_smallest_does_not_run(kernels, strides, pads):
    layers = [f"CONV 2 {k}x{k} stride {s} pad {p}" for k, s, p in zip(kernels, strides, pads, strict=False)]
    design = parse(" -> ".join(["INPUT 40x40x3 fit crop", *layers, "POOL avg global", "FC 2"]))
    smallest = smallest_input(design)
    with torch.device("meta"):
        network = build(design)  # its windows are those of every size
    assert runs(network, smallest)
    assert smallest == 1 or not runs(network, smallest - 1)


def test_an_fc_behind_a_volume_keeps_its_size():
    lenet = zoo("lenet-5")
    assert at_size(lenet, 32, 32).input == lenet.input
    with pytest.raises(DesignError) as told:
        at_size(parse("INPUT 32x32x3 -> CONV 4 3x3 -> FLATTEN -> FC 10"), 48, 40)
    assert "fc1 has learnt from an input of one size and cannot read another" in told.value.what
    assert (told.value.expected, told.value.got) == ("4,096 numbers, as at 32x32", "7,680 where the picture is 48x40")
    assert "fully convolutional form" in told.value.remedy


def test_a_batch_norm_behind_flatten_keeps_its_size_too():
    with pytest.raises(DesignError, match="bn1 has learnt from an input of one size"):
        at_size(parse("INPUT 8x8x3 -> FLATTEN -> BN -> RELU -> FC 10"), 16, 16)


def test_no_square_fits_an_fc_over_an_oblong():
    with pytest.raises(DesignError, match="no square input of up to 32 pixels") as told:
        smallest_input(parse("INPUT 32x24x3 -> CONV 4 3x3 -> FC 10"))
    assert "POOL avg global" in told.value.remedy
