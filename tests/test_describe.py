"""describe: a text's ledger as a table and as JSON, what was assumed, and how it says no."""

import json
import random
import re
import subprocess
import sys

import pytest
import torchvision
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from torchbeam.design.notation import parse, write
from torchbeam.design.volume import Volume
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import DesignError, FitError, Mistake, NotationError, OutputError, SettingError, TorchbeamError
from torchbeam.jobs.amounts import human_bytes
from torchbeam.jobs.describe import describe, lint, table
from torchbeam.jobs.net import text_of, volume_of

PATTERN = "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> FC"
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much]
PROPERTY = settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=QUIET)


def setting_error(*given, **named):
    with pytest.raises(SettingError) as caught:
        describe(*given, **named)
    return str(caught.value)


# What is described


def test_a_text_is_completed_counted_and_what_was_assumed_is_said():
    told = describe(PATTERN)
    assert told.text == (
        "INPUT 32x32x3 -> CONV 32 3x3 pad 1 -> RELU -> POOL max 2x2 stride 2 -> CONV 64 3x3 pad 1 -> RELU\n"
        "-> POOL max 2x2 stride 2 -> FC 256 -> RELU -> FC 10"
    )
    assert told.ledger.parameters == 896 + 18_496 + (64 * 8 * 8 * 256 + 256) + 2_570
    assert told.assumed == (
        "an input of 32x32x3 (--input says another)",
        "10 classes (--classes says another)",
    )
    assert [(finding.layer, finding.rule) for finding in told.findings] == [("fc1", "heavy-fc")]
    assert lint(PATTERN) == told.findings
    assert parse(told.text) == told.design


def test_options_fill_what_the_text_leaves_unsaid_and_nothing_is_assumed_then():
    told = describe(PATTERN, input="64x48x1", classes=7)
    assert told.ledger.input == Volume(channels=1, height=48, width=64)
    assert told.ledger.output == Volume(7, 1, 1)
    assert told.assumed == ()
    assert describe("INPUT 8x8x1 -> FC 3", input="64x48x1").assumed == ()
    assert describe("INPUT 8x8x1 -> FC").assumed == ("10 classes (--classes says another)",)


@pytest.mark.parametrize(("fit", "size"), [("crop", "2x2x1"), ("pad", "3x3x1")])
def test_the_fit_may_be_said_from_outside(fit, size):
    text = "INPUT 7x7x1 -> CONV 1 3x3 stride 3 pad 0"
    assert str(describe(text, fit=fit).ledger.output) == size
    assert len(describe(text, fit=fit).findings) == (fit == "crop")
    with pytest.raises(FitError, match=r"conv1: a 3x3 window .*\n.*2\.33.*\n.*fit crop gives 2, fit pad gives 3"):
        describe(text, fit="error")


def test_a_design_is_described_as_its_text_is():
    assert describe(parse(PATTERN)) == describe(PATTERN)


def test_the_json_has_the_numbers_of_alexnets_first_layer():
    told = json.loads(json.dumps(describe("INPUT 227x227x3 -> CONV 96 11x11 stride 4 pad 0").to_json()))
    (layer,) = told["layers"]
    assert (layer["name"], layer["word"], layer["output"]) == ("conv1", "CONV", "55x55x96")
    assert (layer["neurons"], layer["parameters"], layer["unshared"]) == (290_400, 34_944, 105_705_600)
    assert told["totals"] == {
        "output": "55x55x96",
        "neurons": 290_400 + 154_587,
        "parameters": 34_944,
        "side_parameters": 0,
        "macs": 105_415_200,
        "flops": 210_830_400,
        "forward_bytes": 4 * (290_400 + 154_587),
        "training_bytes": 8 * (290_400 + 154_587) + 12 * 34_944,
        "depth": 1,
        "receptive_field": [11, 11],
        "receptive_field_before_classifier": [11, 11],
    }
    assert told["input"] == "227x227x3" and told["assumed"] == [] and told["findings"] == []
    assert told["text"] == "INPUT 227x227x3 -> CONV 96 11x11 stride 4 pad 0"


def test_the_json_carries_findings_and_what_was_assumed():
    told = describe("INPUT 7x7x3 -> POOL -> FC").to_json()
    assert told["findings"][0]["rule"] == "dropped-pixels" and told["findings"][0]["layer"] == "pool1"
    assert told["assumed"] == ["10 classes (--classes says another)"]
    assert [layer["dropped"] for layer in json.loads(json.dumps(told))["layers"]] == [[1, 1], [0, 0]]


def test_what_is_printed_holds_the_table_the_totals_the_text_and_the_findings():
    printed = str(describe("INPUT 7x7x3 -> CONV 4 3x3 -> POOL -> FC"))
    head, rule, start, conv, *_ = printed.split("\n")
    assert head.split() == ["layer", "notation", "output", "neurons", "parameters", "MACs", "sees"]
    assert set(rule) == {"-", " "}
    assert start.split() == ["input", "7x7x3", "147"]
    assert conv.split() == ["conv1", "CONV", "4", "3x3", "pad", "1", "7x7x4", "196", "112", "5,292", "3x3"]
    assert "482 parameters, 5,652 multiply-accumulates, 389 neurons a picture" in printed
    assert "memory: 1.56 kB forward for one picture, 8.9 kB in training" in printed
    assert "INPUT 7x7x3 -> CONV 4 3x3 pad 1 -> POOL max 2x2 stride 2 fit crop -> FC 10" in printed
    assert "assumed: 10 classes (--classes says another)" in printed
    assert (
        "pool1: POOL max 2x2 stride 2 fit crop leaves unseen 1 of 7 columns and 1 of 7 rows [dropped-pixels]" in printed
    )
    assert "  remedy    write " in printed and "  cost      " in printed


def test_a_layer_is_explained_sum_by_sum():
    told = describe("alexnet-2012").explain("CONV1")
    printed = str(told).split("\n")
    assert printed[0] == "conv1: CONV 96 11x11 stride 4 pad 0"
    assert any(line.endswith("105,705,600  = 290,400 neurons * (363 + 1), no filter shared") for line in printed)
    assert told.to_json()["sums"][0]["result"] == "55x55x96"
    with pytest.raises(DesignError, match="no layer conv11") as caught:
        describe("alexnet-2012").explain("conv11")
    assert "did you mean conv1?" in str(caught.value)


def test_the_largest_batch_fills_the_memory_and_one_more_would_not_fit():
    told = describe("vgg-16", memory="8GB")
    batch, book = told.to_json()["totals"]["largest_batch"], told.ledger
    each, once = 8 * 15_237_608, 12 * 138_357_544
    assert each * batch + once <= 8_000_000_000 < each * (batch + 1) + once
    assert f"largest batch in 8 GB: {batch:,} pictures in training" in str(told)
    assert describe("vgg-16", memory=1000).ledger.largest_batch(1000) == 0
    assert book.training_bytes == each + once


def test_side_heads_are_counted_apart():
    told = describe("googlenet")
    assert told.ledger.parameters == 6_624_904
    assert "side heads: 6,379,984 parameters more in training, none after it" in str(told)


def test_an_input_that_is_told_stands_in_place_of_the_texts_own():
    assert str(describe("resnet-18", input="64x64x1").ledger.rows[0].output) == "32x32x64"
    assert describe("INPUT 8x8x3 -> FC", input="4x4x3").ledger.parameters == 490


def test_classes_that_are_told_replace_those_a_text_defines():
    assert describe("resnet-50").ledger.parameters - describe("resnet-50", classes=10).ledger.parameters == 990 * 2049
    assert "classes = 10;" in describe("resnet-50", classes=10).text


def test_the_volumes_are_drawn_into_a_file_whole_or_not_at_all(tmp_path):
    describe("lenet-5").to_svg(tmp_path / "lenet.svg", "LeNet-5")
    drawn = (tmp_path / "lenet.svg").read_text()
    assert drawn.startswith("<svg") and "28x28x6" in drawn and "LeNet-5" in drawn
    with pytest.raises(OutputError):
        describe("lenet-5").to_svg(tmp_path / "nowhere" / "lenet.svg")


def test_a_module_is_described_and_linted_like_a_text():
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2048, 10))
    told = describe(module, input="32x32x3")
    assert told.ledger.parameters == sum(p.numel() for p in module.parameters())
    assert told.text.startswith("INPUT 32x32x3") and parse(told.text) == told.design
    assert lint(module, input="32x32x3") == told.findings
    assert json.loads(json.dumps(told.to_json()))["totals"]["macs"] == 32 * 32 * 8 * 27 + 20_480


def test_a_module_that_branches_has_rows_and_no_text():
    told = describe(torchvision.models.resnet18(), input="64x64x3")
    assert told.text == "" and told.ledger.parameters == 11_689_512
    assert told.ledger.depth == 18 and told.ledger.field_before_classifier == (435, 435)


def test_the_table_is_aligned():
    lines = table(describe(PATTERN).ledger)
    head = lines[0]
    assert len(lines) == 3 + len(describe(PATTERN).ledger.rows)
    assert all(len(line) <= len(head) for line in lines)
    for word in ("output", "neurons", "parameters", "MACs"):
        end = head.index(word) + len(word)
        assert all(line[end : end + 1] in ("", " ") for line in lines)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1 kB"),
        (1_556, "1.56 kB"),
        (60_900_000, "60.9 MB"),
        (999_000, "999 kB"),
        (138_357_544 * 4, "553 MB"),
        (1_500_000_000_000, "1.5 TB"),
    ],
)
def test_bytes_are_told_in_decimal_units_with_three_figures(count, text):
    assert human_bytes(count) == text


@pytest.mark.parametrize(("count", "text"), [(999_600, "1 MB"), (999_999_999, "1 GB"), (10**27, "")])
def test_bytes_at_the_edge_of_a_unit_have_no_exponent(count, text):
    assert text in human_bytes(count) and "e+" not in human_bytes(count)


# Where the text comes from


def test_a_net_is_a_text_a_named_network_or_a_file(tmp_path):
    file = tmp_path / "net.txt"
    file.write_text("INPUT 8x8x1 →\r\nFC 3 # three\n", encoding="utf-8")
    assert describe(str(file)).text == "INPUT 8x8x1 -> FC 3"
    assert describe("LeNet5").ledger.parameters == 61_706
    assert text_of("lenet-5") == NETWORKS["lenet-5"].text
    assert text_of(" input → fc") == " input → fc"
    assert text_of("CONV\nFC") == "CONV\nFC"


def test_a_file_that_begins_with_a_byte_order_mark_reads_as_any_other(tmp_path):
    file = tmp_path / "net.txt"
    file.write_text("INPUT 8x8x1 -> FC 3", encoding="utf-8-sig")
    assert describe(str(file)).text == "INPUT 8x8x1 -> FC 3"


def test_a_text_of_input_alone_is_told_that_nothing_follows():
    with pytest.raises(NotationError, match="nothing follows INPUT"):
        describe(" input 32x32x3")


def test_a_long_text_without_an_arrow_is_told_that_nothing_follows():
    with pytest.raises(NotationError, match="nothing follows INPUT"):
        describe("INPUT 32x32x3 # " + "a network to come " * 20)


@pytest.mark.parametrize("net", ["nothing", "", "CONV", "\0", "lenet", "a" * 200])
def test_what_is_none_of_these_is_refused_with_what_there_is(net):
    told = setting_error(net)
    assert f"no network {net!r}" in told
    assert "notation that begins with INPUT, a file that holds it, or one of: lenet-5" in told
    assert 'for example --net "INPUT -> [CONV -> RELU -> POOL]*2 -> FC"' in told


def test_a_misspelt_network_is_answered_with_the_nearest():
    assert "did you mean lenet-5?" in setting_error("lenet-55")
    assert "did you mean" not in setting_error("nothing")


def test_a_folder_is_no_network(tmp_path):
    assert f"no network {str(tmp_path)!r}" in setting_error(str(tmp_path))


def test_a_file_that_is_no_text_is_refused_with_the_reason(tmp_path):
    file = tmp_path / "net.txt"
    file.write_bytes(b"INPUT \xff\xfe")
    told = setting_error(str(file))
    assert f"cannot read the network in {file}" in told
    assert "invalid start byte" in told


# Options


@pytest.mark.parametrize("fit", ["loose", "", "Crop"])
def test_an_unknown_fit_is_refused(fit):
    assert f"fit cannot be {fit}\n  expected  error or crop or pad" in setting_error(PATTERN, fit=fit)


@pytest.mark.parametrize("classes", [0, -3])
def test_fewer_than_one_class_is_refused(classes):
    assert f"classes cannot be {classes}\n  expected  1 or more" in setting_error(PATTERN, classes=classes)


def test_an_input_is_width_by_height_by_depth():
    assert volume_of("32x24X3") == Volume(channels=3, height=24, width=32)


@pytest.mark.parametrize("input", ["32", "32x32", "32x32x3x1", "axbxc", "", "3.5x3x3", "32 32 3"])
def test_an_input_of_another_form_is_refused(input):
    told = setting_error(PATTERN, input=input)
    assert f"{input!r} is not the size of an input" in told
    assert "width x height x depth, as in 32x32x3" in told


def test_an_input_without_an_inside_is_refused():
    with pytest.raises(Mistake, match="a volume cannot be 0x32x3"):
        describe(PATTERN, input="0x32x3")


def test_errors_of_the_design_come_through():
    with pytest.raises(DesignError, match="conv1: an input 3 deep cannot be shared among 2 groups"):
        describe("INPUT -> CONV 4 groups 2")


def test_describing_does_not_load_torch():
    code = (
        "import sys\n"
        "from torchbeam.jobs.describe import describe\n"
        f"str(describe({PATTERN!r}))\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("input", ["1_0x32x3", "+8x32x3", "٣٢x32x3"])
def test_an_input_is_written_in_plain_digits(input):
    assert "is not the size of an input" in setting_error(PATTERN, input=input)


@pytest.mark.parametrize("digits", [400, 4_200, 9_000])
@pytest.mark.parametrize("net", ["INPUT -> POOL 2x2", "INPUT -> FC"])
def test_an_input_of_many_digits_is_refused_shortly(net, digits):
    told = setting_error(net, input=f"{'9' * digits}x3x3")
    assert len(told) < 1_000


# Hostile texts


@pytest.mark.parametrize(
    "text",
    ["INPUT 1x1x1 fit pad -> [POOL 2x2 stride 1000000000]*1000", "INPUT 8x8x1 fit pad -> [CONV 1 stride 3]*9999"],
)
def test_numbers_that_grow_with_every_layer_are_printed_or_refused(text):
    try:
        told = describe(text)
    except Mistake:
        return
    assert json.dumps(told.to_json()) and str(told)


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 1000000000x1000000000x1000000000 -> FC 1000000000",
        "INPUT 1000000000x1000000000x1 -> CONV 1000000000 999999999x999999999 pad 0 -> POOL avg global",
        "INPUT -> [FC 1000000000]*999",
    ],
)
def test_huge_numbers_are_counted_exactly(text):
    told = describe(text)
    assert told.ledger.parameters > 10**18
    assert str(told) and json.dumps(told.to_json())


def test_ten_thousand_layers_are_described():
    assert len(describe("INPUT 8x8x1 -> [CONV 1]*5000").ledger.rows) == 5_000


SIGNS = "[]*:->x#, \n0123456789eaAfFp"
TEXTS = [
    PATTERN,
    "INPUT 24x20x3 fit crop -> CONV 8 5x3 filters with stride 2, pad 0 -> RELU -> POOL max 3x3 stride 2 -> FC 9",
    "INPUT 16x16x4 -> stem: CONV 8 3x1 stride 2x1 pad 1x0 groups 2 bias no fit pad -> body: [a: CONV -> BN eps 1e-5 "
    "-> [POOL l2 2x2 pad 0:1x1]*2]*2 -> POOL avg global -> DROPOUT 0.5 -> ELU -0.1 -> FLATTEN -> FC -> SOFTMAX",
]


def mutated(chance: random.Random, text: str, chunk: str) -> str:
    """The text with one short span taken out, doubled, or replaced by a chunk, or the chunk put before it."""
    start = chance.randrange(len(text) + 1)
    span = text[start : start + chance.randrange(9)]
    return text[:start] + chance.choice(["", span * 2, chunk, chunk + span]) + text[start + len(span) :]


@PROPERTY
@given(
    st.sampled_from(TEXTS),
    st.lists(st.text(st.sampled_from(SIGNS), min_size=1, max_size=2), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
def test_a_spoilt_text_is_described_or_refused_in_words(text, chunks, chance):
    for chunk in chunks:
        text = mutated(chance, text, chunk)
    try:
        told = describe(text)
    except TorchbeamError as error:
        assert isinstance(error, Mistake) and error.exit_code == 2
        assert not re.search(r"\bNone\b|object at", str(error))
    else:
        assert json.dumps(told.to_json()) and str(told)
        assert write(told.design) == told.text
        assert describe(told.text).ledger == told.ledger
