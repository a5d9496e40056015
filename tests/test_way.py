import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from torchbeam.errors import SettingError
from torchbeam.learn.way import PLAIN, PRECISIONS, Way, from_json

CPU = torch.device("cpu")
WAYS = st.builds(Way, st.sampled_from(sorted(PRECISIONS)), st.booleans(), st.integers(0, 4096), st.booleans())


@given(WAYS)
def test_a_way_survives_the_round_trip(way):
    assert from_json(way.to_json()) == way


@pytest.mark.parametrize(
    ("changed", "got"),
    [
        ({"precision": 32}, "precision is 32"),
        ({"channels_last": "false"}, "channels_last is 'false'"),
        ({"threads": True}, "threads is True"),
        ({"threads": 2.0}, "threads is 2.0"),
        ({"compiled": None}, "compiled is None"),
    ],
)
def test_a_way_badly_kept_is_refused(changed, got):
    with pytest.raises(SettingError, match="the way the machine computed is not well kept") as caught:
        from_json(PLAIN.to_json() | changed)
    assert got in str(caught.value)


def test_a_way_kept_in_part_is_refused():
    with pytest.raises(SettingError, match="'compiled'"):
        from_json({"precision": "fp32", "channels_last": False, "threads": 0})


def test_a_value_that_cannot_be_used_is_named():
    with pytest.raises(SettingError, match=r"no precision fp8\n  expected  fp32, bf16, fp16"):
        Way("fp8")
    with pytest.raises(SettingError, match="threads cannot be -1"):
        Way(threads=-1)


def test_it_tells_itself_in_words():
    assert str(PLAIN) == "fp32"
    assert str(Way("bf16", True, 2)) == "bf16, channels_last on 2 threads"
    assert str(Way("fp32", False, 1, True)) == "fp32, compiled on 1 thread"


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_layers_compute_in_the_precision_and_weights_stay(name):
    layer, x = nn.Linear(64, 8), torch.rand(4, 64)
    with Way(name).autocast(CPU):
        made = layer(x)
    assert made.dtype == PRECISIONS[name]
    assert layer.weight.dtype == torch.float32
    assert torch.is_autocast_enabled("cpu") is False
    by_hand = x.to(PRECISIONS[name]) @ layer.weight.to(PRECISIONS[name]).T + layer.bias.to(PRECISIONS[name])
    # bfloat16 holds 8 bits: two ways of rounding sums near 1 differ by a unit or two of 2^-8.
    assert torch.allclose(made, by_hand, atol=1e-6 if name == "fp32" else 2**-7)


def test_pictures_are_laid_in_the_order_of_the_way():
    x = torch.rand(2, 3, 4, 5)
    last = Way(channels_last=True).laid(x)
    assert last.stride() == (60, 1, 15, 3)  # channels are neighbours: 4 * 5 * 3, 1, 5 * 3, 3
    assert torch.equal(last, x)
    assert PLAIN.laid(last).stride() == (60, 20, 5, 1)
    assert PLAIN.laid(x) is x


def test_a_network_made_ready_is_laid_out_in_place_and_back():
    conv = nn.Conv2d(3, 8, 3)
    network, weight = nn.Sequential(conv, nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 2)), conv.weight
    kept = weight.detach().clone()
    assert Way(channels_last=True).ready(network, CPU) is network
    assert conv.weight is weight
    assert weight.stride() == (27, 1, 9, 3)
    assert torch.equal(weight, kept)
    PLAIN.ready(network, CPU)
    assert weight.stride() == (27, 9, 3, 1)


def test_threads_are_set_where_a_way_names_them():
    before = torch.get_num_threads()
    try:
        Way(threads=1).ready(nn.Identity(), CPU)
        assert torch.get_num_threads() == 1
        PLAIN.ready(nn.Identity(), CPU)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_compiled_network_shares_its_parameters():
    network = nn.Linear(4, 2)
    compiled = Way(compiled=True).ready(network, CPU)  # nothing is compiled before the first call
    assert compiled is not network
    assert [id(p) for p in compiled.parameters()] == [id(p) for p in network.parameters()]
    compiled.eval()
    assert not compiled.training


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and there is none on this machine")
@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_a_gpu_computes_in_the_precision(name):
    place = torch.device("cuda")
    network = Way(name, True).ready(nn.Conv2d(3, 8, 3), place)
    with Way(name, True).autocast(place):
        assert network(Way(name, True).laid(torch.rand(2, 3, 8, 8, device=place))).dtype == PRECISIONS[name]
