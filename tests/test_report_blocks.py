"""What a block of the picture says: its layers' name, what was applied, its branches and its side heads."""

import pytest
from net_texts import INCEPTION, MOBILENET, TEXT_OF, UNET, VGG, book_of

from torchbeam.report.blocks import blocks_of
from torchbeam.report.gathered import MOST


@pytest.mark.parametrize("name", TEXT_OF)
def test_no_layer_is_left_out_and_none_counted_twice(name):
    book = book_of(TEXT_OF[name])
    blocks = blocks_of(book)
    assert sum(block.parameters for block in blocks) == book.parameters
    assert sum(head.parameters for block in blocks for head in block.heads) == book.side_parameters
    assert blocks[-1].volume == book.output


def test_vgg_draws_equal_layers_together():
    blocks = blocks_of(book_of(VGG))
    assert [block.name for block in blocks[:4]] == ["input", "conv1 – conv2", "pool1", "conv3 – conv4"]
    assert blocks[1].applied == ("2 x CONV 64", "3x3") and blocks[1].then == ("RELU",) and blocks[1].count == 2
    assert len(blocks) == 13 and str(blocks[-3].volume) == "7x7x512"


@pytest.mark.parametrize(("name", "sums"), [("resnet-50", (3, 4, 6, 3)), ("resnet-152", (3, 8, 36, 3))])
def test_a_resnet_is_drawn_stage_by_stage(name, sums):
    blocks = blocks_of(book_of(TEXT_OF[name]))
    assert [block.name for block in blocks] == [
        "input",
        "conv1",
        "pool1",
        *(f"stage{n}" for n in (1, 2, 3, 4)),
        "pool2",
        "fc1",
    ]
    # He et al. 2015, table 1; each stage has one convolution more, on its first module's other branch.
    assert [block.applied for block in blocks[3:7]] == [(f"{n} x sum,", f"{3 * n + 1} CONV") for n in sums]
    assert [str(block.volume) for block in blocks[3:7]] == ["56x56x256", "28x28x512", "14x14x1024", "7x7x2048"]
    assert [[text for _, text in branch.boxes] for branch in blocks[5].branches] == [["1x1", "3x3", "1x1"], []]


def test_an_inception_network_shows_its_modules_branches_and_heads():
    blocks = {block.name: block for block in blocks_of(book_of(INCEPTION))}
    module = blocks["a4"]
    assert len(blocks) == 19 and str(module.volume) == "14x14x512" and module.sign == "|"
    assert module.applied == ("4 branches", "joined in depth")
    assert [[text for _, text in branch.boxes] for branch in module.branches] == [
        ["1x1"],
        ["1x1", "3x3"],
        ["1x1", "5x5"],
        ["3x3", "1x1"],
    ]
    assert [name for name, block in blocks.items() if block.heads] == ["a4", "d4"]
    (head,) = module.heads
    assert head.applied == ("POOL 5x5,", "CONV 1x1,", "2 FC") and str(head.volume) == "1x1x1000"


def test_a_module_is_counted_once_whatever_is_joined_within_it():
    module = "( CONV 4 -> ( CONV 2 | CONV 2 ) | CONV 4 )"
    blocks = blocks_of(book_of(f"INPUT -> stage: [[{module}]*30] -> FC"))
    assert blocks[1].applied == ("30 x concat,", "120 CONV 3x3") and blocks[1].count == 30


def test_where_no_name_helps_one_size_is_one_block():
    blocks = blocks_of(book_of(MOBILENET))
    assert [str(block.volume) for block in blocks] == [
        *("224x224x3", "112x112x96", "56x56x144", "28x28x192", "14x14x576", "7x7x1280", "1x1x1280", "1x1x1000"),
    ]
    assert blocks[2].branches[0].boxes[1][1] == "dw 3x3"


def test_a_chain_of_equal_layers_is_one_block_and_a_growing_one_several():
    chain = blocks_of(book_of(TEXT_OF["chain"]))
    assert [block.name for block in chain] == ["input", "conv1 – conv300", "pool1", "fc1"]
    assert chain[1].applied == ("300 x CONV 16", "3x3")
    growing = [block.name for block in blocks_of(book_of(TEXT_OF["growing"]))]
    assert growing[1:3] == ["s8 – s17", "s18 – s27"] and len(growing) == 8
    assert len(blocks_of(book_of(TEXT_OF["shrinking"]))) == MOST


def test_a_module_as_long_as_a_network_is_opened():
    blocks = blocks_of(book_of(UNET))
    assert [str(block.volume) for block in blocks[:4]] == ["128x128x3", "128x128x32", "64x64x32", "64x64x64"]
    joins = [block.applied for block in blocks if block.kind == "join"]
    assert joins[1:] == [("joined in depth", "with conv4"), ("joined in depth", "with conv2")]


def test_a_head_within_a_head_and_one_behind_the_input_hang_where_they_are_tapped():
    (block,) = [block for block in blocks_of(book_of(TEXT_OF["nested"])) if block.heads]
    assert block.name == "sum1" and [head.name for head in block.heads] == ["aux1", "aux1.aux1"]
    first = blocks_of(book_of("INPUT -> RELU -> AUX 1 [FC 3] -> FC"))[0]
    assert first.then == ("RELU",) and [str(head.volume) for head in first.heads] == ["1x1x3"]


@pytest.mark.parametrize(
    ("text", "applied", "window"),
    [
        ("CONV 8 3x5 stride 2x1 pad 1 fit crop", ("CONV 8", "3x5", "stride 2x1"), (3, 5)),
        ("CONV 8 3x3 dilation 2 groups 2 bias no", ("CONV 8", "3x3", "dilation 2", "groups 2"), (5, 5)),
        ("CONV depthwise 3x3", ("CONV depthwise", "3x3"), (3, 3)),
        ("CONV 8 1x1", ("CONV 8", "1x1"), None),
        ("POOL avg 3x3 stride 1 pad 1 count valid", ("POOL avg", "3x3", "stride 1"), (3, 3)),
        ("POOL avg to 7x7", ("POOL avg", "to 7x7"), None),
        ("POOL max global", ("POOL max", "global"), None),
        ("FC 12 bias no", ("FC 12",), None),
        ("UP 3 bilinear", ("UP 3", "bilinear"), None),
    ],
)
def test_what_was_applied_is_said_without_what_the_volumes_tell(text, applied, window):
    block = blocks_of(book_of(f"INPUT 32x32x4 -> {text} -> FC"))[1]
    assert (block.applied, block.window) == (applied, window)
