"""The sizing rules: which pixels a network never sees, against the gradient of the built one."""

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.lint import Finding, lint
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.errors import FitError
from torchbeam.network.build import build

torch.set_num_threads(1)


def findings(text, fit=None):
    return lint(ledger(complete(parse(text), Volume(3, 32, 32), 10, fit)))


def test_a_window_that_does_not_fit_leaves_pixels_unseen_and_the_finding_counts_them():
    assert findings("INPUT 9x8x1 -> RELU -> stage: [CONV 4 3x3 stride 5 pad 0 fit crop]") == [
        Finding(
            layer="stage.conv1",
            rule="dropped-pixels",
            message="CONV 4 3x3 stride 5 pad 0 fit crop leaves unseen 1 of 9 columns and 0 of 8 rows",
            fix="write fit pad, or an input, pad or stride that fits: fit error lists the nearest",
        )
    ]


def test_the_sizes_spoken_of_are_those_in_front_of_the_layer():
    (finding,) = findings("INPUT 16x16x1 -> POOL 2x2 -> CONV 2 3x3 pad 0 stride 2 fit crop")
    assert "leaves unseen 1 of 8 columns and 1 of 8 rows" in finding.message


def test_every_layer_that_drops_pixels_is_told_of_in_order():
    assert [f.layer for f in findings("INPUT 15x15x3 -> [CONV -> POOL]*3 -> FC")] == ["pool1", "pool2", "pool3"]


@pytest.mark.parametrize(
    "text",
    [
        "INPUT -> [CONV -> RELU -> POOL]*2 -> FC",
        "INPUT 7x7x1 -> POOL 2x2 fit pad",
        "INPUT 8x8x1 -> POOL 3x3 stride 2 pad 0:1",
        "INPUT 8x8x1 -> CONV 2 3x3 stride 2 pad 1 fit crop",
        "INPUT 9x7x1 -> POOL avg global -> FC",
    ],
)
def test_a_network_that_sees_every_pixel_has_no_findings(text):
    assert findings(text) == []


sides = st.integers(1, 5)


@settings(
    max_examples=100,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(
    st.tuples(st.integers(1, 16), st.integers(1, 16)),
    st.tuples(sides, sides),
    st.tuples(sides, sides),
    st.tuples(*[st.integers(0, 2)] * 4),
)
def test_the_columns_and_rows_counted_are_those_the_gradient_does_not_reach(size, kernel, stride, pads):
    assume(kernel[0] >= stride[0] and kernel[1] >= stride[1])  # no gaps: what is unseen lies at the far edges
    text = (
        f"INPUT {size[0]}x{size[1]}x1 -> CONV 1 {kernel[0]}x{kernel[1]} stride {stride[0]}x{stride[1]} "
        f"pad {pads[0]}:{pads[1]}x{pads[2]}:{pads[3]} fit crop"
    )
    try:
        found = findings(text)
    except FitError:
        assume(False)
    network = build(parse(text))
    torch.nn.init.ones_(network.conv1.weight)
    picture = torch.ones(1, 1, size[1], size[0], requires_grad=True)
    network(picture).sum().backward()
    seen = picture.grad[0, 0] != 0
    columns, rows = reach(seen.any(0)), reach(seen.any(1))
    assume(seen.any())
    if (columns, rows) == (size[0], size[1]):
        assert found == []
    else:
        unseen = f"{size[0] - columns} of {size[0]} columns and {size[1] - rows} of {size[1]} rows"
        assert f"leaves unseen {unseen}" in found[0].message


def reach(seen):
    """How many pixels there are up to the last that is seen."""
    return int(seen.nonzero().max()) + 1 if seen.any() else 0
