import json
from dataclasses import replace

import pytest

from torchbeam.data.load import load_data
from torchbeam.design.complete import complete
from torchbeam.design.layers import unfold
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.errors import SettingError
from torchbeam.jobs.settings import (
    Setting,
    Settings,
    cache_bytes,
    check_told,
    epochs_for,
    fine_tuning,
    lr_for,
    net_for,
    plan_of,
    settle,
    size_of,
    starts_from_weights,
)

NOTHING = Settings(None, None, None, None, None, None, None, None)


@pytest.mark.parametrize("side", [1, 2, 4, 7, 8, 9, 16, 28, 32, 48, 64, 96, 128, 224])
def test_the_network_chosen_fits_every_size(side):
    layers = unfold(complete(parse(net_for(side)), Volume(3, side, side), 5))
    assert layers[-1].output == Volume(5, 1, 1)


@pytest.mark.parametrize(("side", "left"), [(8, 2), (28, 3), (32, 4), (64, 4), (96, 3)])
def test_pooling_leaves_a_few_pixels(side, left):
    layers = unfold(complete(parse(net_for(side)), Volume(3, side, side), 5))
    assert [layer for layer in layers if layer.name.startswith("pool")][-1].output.width == left


def test_what_is_told_is_a_flag_and_the_rest_chosen_or_default():
    data = load_data("digits")
    chosen = settle(NOTHING, data)
    assert {name: setting.origin for name, setting in chosen.items() if setting.origin == "auto"} == dict.fromkeys(
        ("net", "epochs", "batch_size", "lr", "size", "augment", "workers"), "auto"
    )
    told = settle(Settings("INPUT -> FC", 3, 16, 0.5, 7, "8", "crop", "cpu"), data)
    assert [told[name].value for name in ("net", "epochs", "batch_size", "lr", "seed", "size", "fit", "device")] == [
        "INPUT -> FC", 3, 16, 0.5, 7, "8", "crop", "cpu",
    ]  # fmt: skip
    assert all(told[name].origin == "flag" for name in ("net", "epochs", "lr", "seed", "size", "fit", "device"))


def test_small_sets_are_seen_more_often():
    assert [epochs_for(n) for n in (100, 1_295, 20_000, 54_000, 10**6)] == [60, 60, 30, 11, 10]


def test_the_rate_follows_the_batch_size():
    assert [lr_for(size) for size in (32, 64, 128, 1024)] == pytest.approx([0.025, 0.05, 0.1, 0.1])
    assert lr_for(64, "adamw") == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("text", "volume"),
    [("64", Volume(3, 64, 64)), ("64x48", Volume(3, 48, 64)), ("64X48x1", Volume(1, 48, 64))],
)
def test_sizes_are_width_height_depth(text, volume):
    assert size_of(text, 3) == volume


@pytest.mark.parametrize("text", ["", "x", "64x", "1x2x3x4", "-3", "0x5", "99999999", "6.5"])
def test_other_sizes_are_refused(text):
    with pytest.raises(SettingError, match="size cannot be"):
        size_of(text, 3)


def test_digits_are_moved_turned_and_scaled_but_never_mirrored():
    assert settle(NOTHING, load_data("digits"))["augment"].value == "shift 0.1, rotate 10, scale 0.1"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"workers": -1}, "workers cannot be -1"),
        ({"workers": 1000}, "0 to 256 threads that decode while the network learns"),
        ({"augment": "flop"}, "flip"),
        ({"cache_size": "huge"}, "'huge' is not an amount of memory"),
    ],
)
def test_what_cannot_be_used_is_refused_before_any_picture_is_read(told, words):
    with pytest.raises(SettingError) as caught:
        check_told(replace(NOTHING, **told))
    assert words in str(caught.value)


@pytest.mark.parametrize(("told", "count"), [("20GB", 20 * 10**9), ("1GiB", 2**30), ("none", 0), ("0", 0)])
def test_the_size_of_the_cache_is_bytes_or_none(told, count):
    assert cache_bytes(told) == count


def test_a_run_from_given_weights_keeps_how_each_part_moves():
    settings = settle(NOTHING, load_data("digits"))
    assert not starts_from_weights(settings)
    assert (plan_of(settings).rates, plan_of(settings).norms) == ((), "train")
    start = Setting({"backbone": "resnet-18", "digest": "ab12"}, "flag")
    settings |= fine_tuning(start, Setting((("stage1", 0), ("stage2", 0.5)), "auto"), Setting("fixed", "default"))
    kept = json.loads(json.dumps({name: setting.to_json() for name, setting in settings.items()}))
    again = {name: Setting(told["value"], told["origin"], told.get("why")) for name, told in kept.items()}
    assert kept["start"] == {"value": {"backbone": "resnet-18", "digest": "ab12"}, "origin": "flag"}
    assert kept["rates"] == {"value": [["stage1", 0.0], ["stage2", 0.5]], "origin": "auto"}
    assert starts_from_weights(again)
    assert plan_of(again) == plan_of(settings)
    assert (plan_of(again).rates, plan_of(again).norms) == ((("stage1", 0.0), ("stage2", 0.5)), "fixed")
    with pytest.raises(SettingError, match="no norms loose"):
        fine_tuning(start, Setting((), "auto"), Setting("loose", "flag"))
