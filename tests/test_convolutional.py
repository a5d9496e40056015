"""FCs and pools of the whole picture as windows, on the text alone.

Judges: the original's own ledger, of which parameters and work must stay; forms worked by hand.
"""

import pytest

from torchbeam.design.complete import complete
from torchbeam.design.convolutional import convolutional
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse, write
from torchbeam.design.resized import at_size
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import DesignError

FAMILIES = [
    "lenet-5", "alexnet-2012", "zfnet", "nin-cifar", "nin-imagenet", "alexnet", "vgg-16", "googlenet-paper",
    "googlenet", "resnet-18", "resnet-20", "resnet-v2-50", "inception-v4", "squeezenet-1.0", "mobilenet-v2",
]  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_of_the_zoo_keeps_its_numbers_and_its_work(name):
    design = parse(NETWORKS[name].text)
    form = convolutional(design)
    assert parse(write(form)) == form
    own, made = ledger(complete(design)), ledger(form)
    assert (made.parameters, made.macs) == (own.parameters, own.macs)
    assert (made.output.height, made.output.width) == (1, 1)
    assert made.output.channels == own.output.channels
    assert not made.side_parameters
    assert not {row.word for row in made.rows} & {"FC", "FLATTEN"}
    across, down = made.trunk[-1].jump
    larger = ledger(at_size(form, own.input.width + 3 * across, own.input.height + 2 * down)).output
    assert (larger.width, larger.height) == (4, 3)


def test_vgg_reads_as_before_up_to_its_classifier():
    assert write(convolutional(parse(NETWORKS["vgg-16"].text))) == (
        "INPUT 224x224x3 fit crop -> [unit 64]*2 -> halve -> [unit 128]*2 -> halve -> [unit 256]*3 -> halve\n"
        "-> [unit 512]*3 -> halve -> [unit 512]*3 -> halve -> fc1: CONV 4096 7x7 pad 0 -> RELU -> DROPOUT\n"
        "-> fc2: CONV 4096 1x1 pad 0 -> RELU -> DROPOUT -> fc3: CONV 1000 1x1 pad 0\n"
        "where\nunit n = CONV n 3x3 pad 1 -> RELU;\nhalve = POOL max 2x2 stride 2"
    )


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (  # a repeat whose rounds come out different is written out
            "INPUT 8x8x3 -> CONV 4 3x3 -> [FC 16 -> RELU]*2 -> FC 3",
            "CONV 4 3x3 pad 1 -> fc1: CONV 16 8x8 pad 0 -> RELU -> fc2: CONV 16 1x1 pad 0 -> RELU "
            "-> fc3: CONV 3 1x1 pad 0",
        ),
        (  # one whose rounds come out alike is not
            "INPUT 8x8x3 -> POOL avg global -> [FC 3 -> RELU]*2",
            "POOL avg 8x8 stride 1 -> [fc1: CONV 3 1x1 pad 0 -> RELU]*2",
        ),
        (  # counts by name stay, brackets left empty go
            "INPUT 9x9x1 -> [CONV 2 3x3 pad 0]*n -> out: [FLATTEN] -> top: FC 5 bias no -> SOFTMAX where n = 2",
            "[CONV 2 3x3 pad 0]*n -> top: CONV 5 5x5 pad 0 bias no -> SOFTMAX where n = 2",
        ),
        (  # what fit pad came to is said; its zeros are not averaged
            "INPUT 8x8x1 -> POOL avg 3x3 stride 2 fit pad -> CONV 2 2x2 stride 3 pad 0 fit pad -> FC 2",
            "POOL avg 3x3 stride 2 pad 0:1 count valid -> CONV 2 2x2 stride 3 pad 0:1 -> fc1: CONV 2 2x2 pad 0",
        ),
        (  # torch's adaptive windows, where they are alike and evenly spaced: 5 pixels, 4 apart
            "INPUT 17x6x2 -> POOL max to 4x3 -> FC 5",
            "POOL max 5x2 stride 4x2 -> fc1: CONV 5 4x3 pad 0",
        ),
        ("INPUT 6x6x2 fit pad -> POOL avg to 6x6 -> POOL l2 global", "POOL l2 6x6 stride 1"),
        (  # side heads are there for training
            "INPUT 4x4x1 -> CONV 2 3x3 -> AUX 0.3 [FLATTEN -> BN -> FC 5] -> ( FLATTEN | FLATTEN ) -> FC 5",
            "CONV 2 3x3 pad 1 -> ( SKIP | SKIP ) -> fc1: CONV 5 4x4 pad 0",
        ),
        (
            "INPUT 4x4x1 -> FC 5 -> CONV 6 1x1 -> POOL max 1x1",
            "fc1: CONV 5 4x4 pad 0 -> CONV 6 1x1 pad 0 -> POOL max 1x1",
        ),
    ],
)
def test_forms_worked_by_hand(text, form):
    design = parse(text)
    start = f"INPUT {design.input.volume} fit crop -> "
    made = convolutional(design)
    assert made == complete(parse(start + form))
    assert parse(write(made)) == made
    assert convolutional(made) == made


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("INPUT 8x8x3 -> CONV 4 3x3", "its output is 8x8x4, not one score for each class"),
        ("INPUT 8x8x3 -> FLATTEN", "its output is 8x8x3, not one score for each class"),
        ("INPUT 8x8x3 -> FLATTEN -> BN -> FC 5", "bn1, a BN, reads 8x8x3 flattened into one vector"),
        ("INPUT 8x8x3 -> FLATTEN -> CONV 4 3x3 -> FC 5", "conv1, a CONV, reads 8x8x3 flattened into one vector"),
        ("INPUT 8x8x3 -> UP 2 -> FC 5", "up1 puts pixels between others"),
        ("INPUT 8x8x3 -> FC 5 -> CONV 4 3x3", "conv1 stands behind fc1, which takes the whole picture together"),
        ("INPUT 8x8x3 -> POOL avg global -> SHORTCUT 4 stride 2", "shortcut1 stands behind pool1"),
        ("INPUT 8x8x3 -> POOL avg to 3x3 -> FC 5", "pool1 makes 3x3 of 8x8x3 with windows that are not alike"),
        ("INPUT 2x2x3 -> POOL avg to 4x4 -> FC 5", "pool1 makes 4x4 of 2x2x3 with windows that are not alike"),
        ("INPUT 8x8x3 -> ( FLATTEN | POOL avg global ) -> FC 5", "one of its branches was flattened"),
        ("INPUT 8x8x3 -> POOL avg 3x3 stride 2 pad 1 fit pad -> FC 2", "pool1 counts its pad in the average"),
    ],
)
def test_what_cannot_be_turned_is_refused_and_says_why(text, why):
    with pytest.raises(DesignError, match="this network cannot be made fully convolutional") as told:
        convolutional(parse(text))
    assert why in told.value.got
    assert told.value.remedy
