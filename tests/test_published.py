"""The table of published weights, row by row against torchvision's and timm's own meta and our ledger."""

import re

import pytest
import timm
from judges import JUDGES
from torchvision.models import get_model_weights

from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.design.zoo import NETWORKS
from torchbeam.network.foreign import address_of
from torchbeam.network.keys import ORIGINS
from torchbeam.network.published import IMAGENET_MEAN, IMAGENET_STD, PREPARED, PUBLISHED, published


def theirs(name):
    """torchvision's weights: the first published."""
    return get_model_weights(re.sub(r"-(?=[0-9.]+$)", "", name).replace("-", "_").replace(".", "_")).IMAGENET1K_V1


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_a_row_is_torchvision_s(name):
    row, other = PUBLISHED[name], theirs(name)
    prepared = other.transforms()
    assert address_of(row.file) == other.url
    assert re.fullmatch(r"[0-9a-f]{8}", row.sha256_prefix) and f"-{row.sha256_prefix}.pth" in row.url
    assert row.top1 == pytest.approx(other.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100, abs=1e-9)
    assert row.parameters == other.meta["num_params"]
    assert round(row.macs / 1e9, 3) == pytest.approx(other.meta["_ops"], abs=1e-9)
    assert [row.size] == prepared.crop_size and [row.resize] == prepared.resize_size
    assert row.shown == 0.875 and row.interpolation == prepared.interpolation.value
    assert row.classes == len(other.meta["categories"]) == 1000
    if name != "googlenet":
        assert row.mean == tuple(prepared.mean) == IMAGENET_MEAN and row.std == tuple(prepared.std) == IMAGENET_STD


def test_googlenet_takes_what_torchvision_s_makes_of_its_pictures():
    """x = (p - mean) / std goes in; transform_input makes x * std / 0.5 + (mean - 0.5) / 0.5 of it: (p - 0.5) / 0.5."""
    row, p = PUBLISHED["googlenet"], 0.3
    prepared = theirs("googlenet").transforms()
    for ours, our_std, mean, std in zip(row.mean, row.std, prepared.mean, prepared.std, strict=True):
        assert (p - ours) / our_std == pytest.approx((p - mean) / std * (std / 0.5) + (mean - 0.5) / 0.5)


@pytest.mark.parametrize("name", list(PUBLISHED | PREPARED))
def test_a_row_s_counts_are_the_ledger_s(name):
    row = published(name)
    book = ledger(complete(parse(NETWORKS[name].text)))
    assert (row.name, row.parameters, row.macs) == (name, book.parameters, book.macs)
    assert (row.size, row.size, len(row.mean)) == (book.input.width, book.input.height, book.input.channels)
    assert row.classes == book.output.channels


@pytest.mark.parametrize(("name", "told"), [("inception-v4", "inception_v4"), ("resnet-v2-50", "resnetv2_50"),
                                            ("resnet-v2-101", "resnetv2_101")])  # fmt: skip
def test_what_is_prepared_as_timm_does_it_is_timm_s(name, told):
    row, other = PREPARED[name], timm.get_pretrained_cfg(told)
    assert (row.mean, row.std, row.interpolation) == (other.mean, other.std, other.interpolation)
    assert row.size == other.input_size[1] and row.resize == int(row.size / other.crop_pct)
    assert row.licence.lower() == other.license


def test_every_network_that_weights_are_put_into_is_told_of():
    assert set(PUBLISHED) == set(JUDGES["torchvision"]) == set(ORIGINS["torchvision"])
    assert set(PUBLISHED | PREPARED) == {name for networks in ORIGINS.values() for name in networks}


def test_names_ignore_case_and_dashes_and_the_rest_is_none():
    assert published("ResNet_18") is PUBLISHED["resnet-18"] and published("lenet-5") is None
    assert published("nothing") is None
    assert published("resnet-20").sha256_prefix == "" == published("resnet-20").url
