from dataclasses import replace

import pytest
import torch

from torchbeam.design.complete import complete
from torchbeam.design.notation import parse, write
from torchbeam.errors import SettingError
from torchbeam.jobs.headed import POOLINGS, headed
from torchbeam.learn.codes import Codes, pool
from torchbeam.learn.heads import Head
from torchbeam.network.backbone import backbone
from torchbeam.network.build import build

TEXT = "INPUT 16x16x3 -> CONV 4 -> BN -> RELU -> POOL -> CONV 6 -> RELU -> POOL avg global -> FC 10"


@pytest.fixture(scope="module")
def base():
    torch.manual_seed(0)
    design = complete(parse(TEXT))
    return backbone("small", build(design), design)


def head_of(width):
    torch.manual_seed(1)
    return Head("softmax", 1.0, torch.randn(3, width), torch.randn(3), 0.5, 0.1, 1.0, ())


@pytest.mark.parametrize(("stage", "pooling"), [("codes", ""), *(("stage1", each) for each in POOLINGS)])
def test_the_network_gives_what_the_head_gives_for_the_codes(base, stage, pooling):
    pictures = torch.randn(5, 3, 16, 16)
    given = base.features(pictures, [stage])[stage]
    if pooling:
        pooled = pool(given)
        codes = Codes(torch.arange(5).numpy(), {stage: pooled}, frozenset([stage]), 5)
        given = codes.part(stage, *POOLINGS[pooling])
    head = head_of(given.shape[1])
    network, design = headed(base, stage, pooling, head)
    with torch.no_grad():
        assert torch.allclose(network(pictures), head.scores(given), atol=1e-5)
    assert parse(write(design)) == design


def test_its_tensors_are_its_own(base):
    network, _ = headed(base, "codes", "", head_of(6))
    before = base.network.conv1.weight.clone()
    with torch.no_grad():
        network.conv1.weight.zero_()
    assert torch.equal(base.network.conv1.weight, before)


def test_a_backbone_without_a_text_cannot_be_cut(base):
    with pytest.raises(SettingError, match="has no text in the notation, so it cannot be cut behind stem"):
        headed(replace(base, design=None), "stem", "avg 1x1", head_of(4))
