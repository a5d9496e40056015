"""The rules for where the weights are: each fix written into the text and counted by torch."""

import pytest
import torch
from lint_fixes import completed, findings, proven, told
from torch import nn

from torchbeam.network.build import build

torch.set_num_threads(1)

VGG_11 = "INPUT 224x224x3 -> CONV 64 -> RELU -> POOL -> CONV 128 -> RELU -> POOL -> [CONV 256 -> RELU]*2 -> POOL"
VGG_11 += " -> [CONV 512 -> RELU]*2 -> POOL -> [CONV 512 -> RELU]*2 -> POOL"


@pytest.mark.parametrize(
    ("before", "after", "message", "fix"),
    [
        (  # 64 * 8 * 8 * 256 weights; with the average 64 * 256
            "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> FC",
            "INPUT -> [CONV -> RELU -> POOL]*2 -> POOL avg global -> FC -> RELU -> FC",
            "its 1,048,576 weights are 98% of the network's 1,070,432",
            "write POOL avg global in front of fc1: 16,384 weights here, 38,240 in all",
        ),
        (  # what is flattened before it is averaged before it is flattened
            "INPUT 8x8x3 -> CONV 4 3x3 -> RELU -> FLATTEN -> DROPOUT -> FC 6",
            "INPUT 8x8x3 -> CONV 4 3x3 -> RELU -> POOL avg global -> FLATTEN -> DROPOUT -> FC 6",
            "its 1,536 weights are 93% of the network's 1,644",
            "write POOL avg global in front of flatten1: 24 weights here, 132 in all",
        ),
        (  # the lectures' own example: 7 * 7 * 512 * 4096 of VGG's weights
            f"{VGG_11} -> [FC 4096 -> RELU -> DROPOUT 0.5]*2 -> FC 1000",
            f"{VGG_11} -> POOL avg global -> [FC 4096 -> RELU -> DROPOUT 0.5]*2 -> FC 1000",
            "its 102,760,448 weights are 77% of the network's 132,851,392",
            "write POOL avg global in front of fc1: 2.1 M weights here, 32.2 M in all",
        ),
    ],
)
def test_a_first_fc_with_most_of_the_weights_is_told_with_what_an_average_would_leave(before, after, message, fix):
    finding = proven("heavy-fc", before, after)
    assert (finding.layer, finding.message, finding.fix) == ("fc1", message, fix)


def test_vggs_first_fc_has_as_many_weights_as_torchs():
    assert nn.Linear(7 * 7 * 512, 4096, device="meta").weight.numel() == 102_760_448


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 8x8x3 -> FC 100 -> RELU -> FC 10",  # no convolutions, nothing to average
        "INPUT 8x8x3 -> CONV 4 3x3 -> RELU -> POOL avg global -> FC 900",
        "INPUT 2x2x9 -> CONV 4 3x3 -> RELU -> FC 20",  # 320 of 644
        "INPUT 8x8x3 -> CONV 4 3x3 -> RELU -> AUX 0.3 [FC 900] -> POOL avg global -> FC 2",
        "INPUT 8x8x3 -> CONV 4 3x3 -> RELU -> ( POOL avg global | POOL max global ) -> FC 100",
        "INPUT 4x4x1 -> CONV 4 4x4 pad 0 -> RELU -> FC 90",
    ],
)
def test_an_fc_with_less_or_with_nothing_to_average_is_no_fault(text):
    assert told(text, "heavy-fc") == []


def test_a_bias_that_bn_takes_away_is_told_with_what_it_saves():
    before = "INPUT 8x8x3 -> CONV 6 3x3 -> BN -> RELU -> FC 5 -> BN"
    found = told(before, "bias-before-bn")
    assert [(f.layer, f.message, f.fix, f.cost) for f in found] == [
        (
            "conv1",
            "bn1 takes away what its bias adds: 6 idle parameters",
            "write CONV 6 3x3 pad 1 bias no",
            "-6 parameters",
        ),
        ("fc1", "bn2 takes away what its bias adds: 5 idle parameters", "write FC 5 bias no", "-5 parameters"),
    ]
    after = "INPUT 8x8x3 -> CONV 6 3x3 pad 1 bias no -> BN -> RELU -> FC 5 bias no -> BN"
    assert told(after, "bias-before-bn") == []
    count = [sum(p.numel() for p in build_of(text).parameters()) for text in (before, after)]
    assert count[0] - count[1] == 11


def build_of(text):
    return build(completed(text))


def test_the_bias_is_taken_away_in_torch_too():
    network = build_of("INPUT 8x8x3 -> CONV 6 3x3 -> BN").train()
    pictures = torch.randn(4, 3, 8, 8)
    first = network(pictures)
    nn.init.normal_(network.conv1.bias, std=9)
    torch.testing.assert_close(network(pictures), first, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 8x8x3 -> CONV 6 3x3 bias no -> BN",
        "INPUT 8x8x3 -> CONV 6 3x3 -> RELU -> BN",
        "INPUT 8x8x3 -> CONV 6 3x3 -> ( BN + SKIP )",  # what skips BN keeps the bias
        "INPUT 8x8x3 -> CONV 6 3x3",
    ],
)
def test_a_bias_that_something_else_reads_is_no_fault(text):
    assert "bias-before-bn" not in {f.rule for f in findings(text)}


def test_a_bias_that_two_bns_read_is():
    assert [f.layer for f in told("INPUT 8x8x3 -> CONV 6 3x3 -> ( BN | BN )", "bias-before-bn")] == ["conv1"]
