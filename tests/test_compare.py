"""compare: networks side by side."""

import json

import pytest

from torchbeam.jobs.compare import compare
from torchbeam.jobs.describe import describe

NAMES = ("alexnet", "vgg-16", "googlenet")


def side_by_side(*names, **options):
    return compare(names, tuple(describe(name, **options) for name in names))


def lines(text):
    """The cells of each line behind its quantity, by the quantity."""
    told = {}
    for line in text.split("\n"):
        cells = [cell for cell in line.split("  ") if cell.strip()]
        told[cells[0].strip()] = [cell.strip() for cell in cells[1:]]
    return told


def test_each_network_has_its_column_and_the_factor_to_the_first():
    told = lines(str(side_by_side(*NAMES)))
    assert told["input"] == ["224x224x3"] * 3
    assert told["layers deep"] == ["8", "16", "22"]
    assert told["parameters"] == ["61,100,840", "138,357,544", "2.26 x", "6,624,904", "0.11 x"]
    assert told["side heads"] == ["0", "0", "6,379,984"]
    assert told["multiply-accumulates"] == ["714,188,480", "15,470,264,320", "21.66 x", "1,498,376,192", "2.10 x"]
    assert told["sees before classifier"] == ["195x195", "212x212", "379x379"]
    assert told["output"] == ["1x1x1000"] * 3
    assert told["memory forward"][1] == "61 MB"  # 15,237,608 numbers of 4 bytes
    assert "largest batch" not in told


def test_a_memory_given_is_asked_for_batches():
    told = lines(str(side_by_side("alexnet", "vgg-16", memory="8GB")))
    each = 8 * 15_237_608  # activations and their gradients
    assert told["largest batch"][1] == f"{(8_000_000_000 - 12 * 138_357_544) // each:,}"
    assert "side heads" not in told


def test_the_columns_are_aligned():
    head, *body = str(side_by_side(*NAMES)).split("\n")
    for name in NAMES:
        end = head.index(name) + len(name)
        assert all(line[end - 1] != " " and line[end : end + 1] in ("", " ") for line in body)


def test_long_names_and_texts_of_many_lines_stay_in_their_head():
    text = "INPUT 32x32x3\n-> CONV 4 -> RELU\n-> POOL -> FC 256 -> RELU -> FC 10"
    head, second, *_ = str(side_by_side(text, "lenet-5")).split("\n")
    assert head.split("  ")[-1] == "lenet-5" and "INPUT 32x32x3 -> CONV 4 -> RE..." in head
    assert second.startswith("input")


def test_what_has_nothing_has_no_factor():
    told = lines(str(side_by_side("INPUT 4x4x1 -> RELU", "INPUT 4x4x1 -> FC 2")))
    assert told["parameters"] == ["0", "34"]
    assert told["multiply-accumulates"] == ["0", "32"]


def test_the_json_holds_each_description_under_its_name():
    both = side_by_side("lenet-5", "alexnet")
    told = json.loads(json.dumps(both.to_json()))["networks"]
    assert [one["name"] for one in told] == ["lenet-5", "alexnet"]
    assert [one["totals"]["parameters"] for one in told] == [61_706, 61_100_840]
    assert told[1] == json.loads(json.dumps({"name": "alexnet"} | describe("alexnet").to_json()))


def test_the_findings_are_those_of_all():
    both = side_by_side("INPUT 7x7x3 -> POOL -> FC 10", "INPUT 9x9x3 -> POOL -> FC 10")
    assert both.findings == both.descriptions[0].findings + both.descriptions[1].findings
    assert len(both.findings) >= 2


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_options_hold_for_every_network(fit):
    told = lines(
        str(side_by_side("INPUT -> POOL 3x3 stride 3", "INPUT -> POOL 5x5 stride 5", input="32x32x3", fit=fit))
    )
    assert told["output"] == {"crop": ["10x10x3", "6x6x3"], "pad": ["11x11x3", "7x7x3"]}[fit]
