"""Where designs can be cut, judged by what torch gives there; trunks and heads as texts and by their layers' names."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from torchbeam.design.complete import complete
from torchbeam.design.layers import unfold
from torchbeam.design.notation import parse, write
from torchbeam.design.stages import find_stage, named_stages, pooled_head, stages, trunk, with_head
from torchbeam.design.volume import Volume
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import DesignError, NotationError, SettingError
from torchbeam.network.build import build
from torchbeam.network.taps import tapped


def zoo(name):
    return complete(parse(NETWORKS[name].text))


def on_meta(design):
    with torch.device("meta"):
        return build(design).eval()


def told(design):
    return [f"{stage.name} {stage.layer} {stage.volume}" for stage in stages(design)]


def picture(design):
    volume = design.input.volume
    return torch.empty(1, volume.channels, volume.height, volume.width, device="meta")


# What is found


def test_the_stages_of_resnet_50_are_the_papers_and_the_codes_what_its_classifier_takes():
    assert told(zoo("resnet-50")) == [
        "stem relu1 112x112x64",
        "stage1 stage1 56x56x256",
        "stage2 stage2 28x28x512",
        "stage3 stage3 14x14x1024",
        "stage4 stage4 7x7x2048",
        "codes pool2 1x1x2048",
    ]


def test_codes_are_the_last_hidden_layer_or_the_average_in_front_of_a_conv_that_classifies():
    last = {
        name: told(zoo(name))[-1] for name in ("vgg-16", "squeezenet-1.1", "nin-cifar", "googlenet", "mobilenet-v2")
    }
    assert last == {
        "vgg-16": "codes relu15 1x1x4096",
        "squeezenet-1.1": "codes fire9 1x1x512",
        "nin-cifar": "codes relu8 1x1x192",
        "googlenet": "codes pool5 1x1x1024",
        "mobilenet-v2": "codes pool1 1x1x1280",
    }


@pytest.mark.parametrize("name", ["alexnet", "vgg-11", "googlenet", "inception-v4", "squeezenet-1.0", "resnet-v2-50"])
@torch.no_grad()
def test_volumes_are_those_that_torch_gives(name):
    design = zoo(name)
    known, network = stages(design), on_meta(design)
    with tapped(network, [stage.layer for stage in known]) as taps:
        network(picture(design))
    for stage in known[:-1]:
        volume = stage.volume
        assert taps[stage.layer].shape == (1, volume.channels, volume.height, volume.width)
    codes = trunk(design, "codes")
    assert on_meta(codes)(picture(design)).shape == (1, known[-1].volume.channels)


def test_a_network_without_a_layer_over_space_has_codes_alone():
    assert told(parse("INPUT 28x28x1 -> BN -> FC 100 -> RELU -> DROPOUT -> FC 10")) == ["codes relu1 1x1x100"]


def test_a_map_that_comes_to_the_classifier_is_one_row_of_codes():
    design = parse("INPUT 8x8x3 -> CONV 4 3x3 -> RELU -> POOL 2x2 -> DROPOUT 0.5 -> FC 2")
    assert told(design)[-1] == "codes pool1 1x1x64"
    assert (
        write(trunk(design, "codes")) == "INPUT 8x8x3 -> CONV 4 3x3 pad 1 -> RELU -> POOL max 2x2 stride 2 -> FLATTEN"
    )


def test_a_conv_that_covers_its_whole_map_is_an_fc():
    design = parse("INPUT 8x8x3 -> CONV 4 3x3 -> RELU -> CONV 2 8x8 pad 0 -> FLATTEN")
    assert told(design)[-1] == "codes relu1 1x1x256"


def test_places_of_one_pixel_are_no_stages_and_a_size_that_returns_is_another():
    text = "INPUT 8x8x1 -> CONV 2 3x3 -> POOL 8x8 -> CONV 4 1x1 -> UP 4 -> CONV 3 3x3 -> UP 2 -> CONV 5 3x3 -> FC 2"
    assert told(parse(text))[:-1] == ["stem conv1 8x8x2", "stage1 conv3 4x4x3", "stage2 conv4 8x8x5"]


def test_a_round_of_a_repeat_is_cut_and_written_out():
    design = parse("INPUT 32x32x3 -> [c: CONV 8 3x3 -> RELU -> POOL 2x2]*3 -> FC 4")
    assert [line.split()[1] for line in told(design)] == ["relu1", "relu2", "relu3", "pool3", "pool3"]
    cut = trunk(design, "stage2")
    assert [layer.name for layer in unfold(cut)][-2:] == ["c_3", "relu3"]
    assert parse(write(cut)) == cut


def test_codes_are_found_inside_a_bracket_with_a_name():
    design = parse("INPUT 8x8x3 -> body: [CONV 4 3x3 -> POOL 8x8] -> top: [FC 6 -> RELU -> FC 2]")
    assert told(design) == ["codes top.relu1 1x1x6"]
    assert [layer.name for layer in unfold(trunk(design, "codes"))] == [
        "body.conv1",
        "body.pool1",
        "top.fc1",
        "top.relu1",
    ]


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("INPUT 8x8x3 -> FC 2", "fc1, which reads the picture itself"),
        ("INPUT 8x8x3 -> DROPOUT -> CONV 2 1x1 -> POOL avg global -> FLATTEN", "conv1, which reads the picture itself"),
        ("INPUT 8x8x3 -> POOL 8x8 -> FLATTEN", "no CONV and no FC"),
    ],
)
def test_without_a_layer_before_a_classifier_there_are_no_codes(text, got):
    with pytest.raises(DesignError, match="the network has nothing before its classifier to take codes from") as caught:
        stages(parse(text))
    assert caught.value.got == got


def test_an_unknown_stage_is_answered_with_the_nearest():
    with pytest.raises(SettingError, match=r"no stage 'stge1'") as caught:
        trunk(zoo("resnet-18"), "stge1")
    assert caught.value.remedy == "did you mean stage1?" and "codes" in caught.value.expected
    known = stages(zoo("resnet-18"))
    assert find_stage(known, "CODES") is known[-1]
    assert named_stages([], known[-1]) == (known[-1],)


# Trunks


FAMILIES = ("zfnet", "nin-cifar", "vgg-13", "googlenet", "resnet-50", "resnet-20", "resnet-v2-50", "inception-v4",
            "squeezenet-1.1", "mobilenet-v2")  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_a_trunk_s_weights_are_a_strict_part_of_the_network_s_by_name_and_shape(name):
    design = zoo(name)
    whole = {key: tensor.shape for key, tensor in on_meta(design).state_dict().items()}
    for stage in (stages(design)[0], stages(design)[-2], stages(design)[-1]):
        cut = trunk(design, stage.name)
        assert parse(write(cut)) == cut
        part = {key: tensor.shape for key, tensor in on_meta(cut).state_dict().items()}
        assert part.items() < whole.items()


def test_side_heads_are_dropped_with_their_definitions():
    text = write(trunk(zoo("googlenet"), "stage4"))
    assert "AUX" not in text and "side" not in text and "inception5b: module 384" in text


def test_a_definition_that_held_a_side_head_is_written_out():
    design = parse(
        "INPUT 8x8x3 -> part -> [AUX 0.3 [FC 2]] -> ( SKIP -> AUX 0.1 [FC 2] + SKIP ) -> FC 2\n"
        "where\npart = CONV 4 3x3 -> AUX 0.3 [FC 2]"
    )
    assert write(trunk(design, "stem")) == "INPUT 8x8x3 -> [CONV 4 3x3 pad 1] -> [SKIP] -> ( SKIP + SKIP )"


def test_a_name_that_was_cut_off_and_would_be_given_again_is_told():
    with pytest.raises(DesignError, match="conv2 would be called conv1, as a later layer held that name") as caught:
        trunk(parse("INPUT 8x8x3 -> CONV 4 3x3 -> POOL 2x2 -> conv1: CONV 4 3x3 -> FC 2"), "stem")
    assert caught.value.remedy == "name a layer of the text otherwise than conv1"


# Heads


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "resnet-18", "squeezenet-1.0", "nin-imagenet", "lenet-5"])
def test_a_network_with_another_head_is_a_design_of_its_own(name):
    design = zoo(name)
    body = set(on_meta(design).state_dict())
    for stage in stages(design):
        text = "FC classes" if stage.name == "codes" else pooled_head((("avg", 1), ("max", 2)))
        made = with_head(design, stage.name, text, 7)
        assert parse(write(made)) == made and "classes = 7" in write(made)
        network = on_meta(made)
        assert network(picture(design)).shape == (1, 7)
        new = set(network.state_dict()) - body
        assert new == {"head.fc1.weight", "head.fc1.bias"}


def test_the_numbers_of_a_pooled_head_lie_grid_by_grid_channel_by_channel_row_by_row():
    text = pooled_head((("max", 2), ("avg", 1)))
    assert text == "( POOL max to 2x2 -> FLATTEN | POOL avg to 1x1 -> FLATTEN ) -> FC classes"
    assert pooled_head() == "POOL avg to 1x1 -> FLATTEN -> FC classes"
    network = build(parse(f"INPUT 4x4x2 -> {text}\nwhere classes = 3"))
    x = torch.arange(32.0).view(1, 2, 4, 4)
    with tapped(network, ["concat1"]) as taps:
        network(x)
    assert taps["concat1"].tolist() == [[5, 7, 13, 15, 21, 23, 29, 31, 7.5, 23.5]]


def test_a_head_behind_a_head_gets_another_name():
    once = with_head(zoo("lenet-5"), "codes", "FC 16 -> RELU -> FC classes", 5)
    twice = with_head(once, "codes", "FC classes", 3)
    assert [layer.name for layer in unfold(twice)][-4:] == ["tanh4", "head.fc1", "head.relu1", "head_2.fc1"]
    assert parse(write(twice)) == twice


def test_a_trunk_that_means_another_number_by_classes_keeps_it():
    design = parse("INPUT 8x8x3 -> CONV classes 3x3 -> RELU -> FC 4\nwhere classes = 9")
    made = with_head(design, "codes", "FC classes", 2)
    assert write(made) == ("INPUT 8x8x3 -> CONV classes 3x3 -> RELU -> FLATTEN -> head: [FC 2]\nwhere\nclasses = 9")


def test_heads_that_cannot_be_are_told():
    design = zoo("lenet-5")
    with pytest.raises(DesignError, match="the head gives 1x1x64, not one score for each class") as caught:
        with_head(design, "codes", "FC 64", 10)
    assert caught.value.remedy == "end it with FC classes"
    with pytest.raises(NotationError, match="unknown word FCC"):
        with_head(design, "codes", "FCC classes", 10)
    with pytest.raises(SettingError, match="no grid of kind avg and side 0"):
        pooled_head((("avg", 0),))
    with pytest.raises(SettingError, match="a head that pools needs a grid"):
        pooled_head(())


WORDS = ("CONV 4 3x3", "RELU", "BN", "POOL avg 2x2 stride 2 fit pad", "DROPOUT 0.1", "SKIP", "AUX 0.2 [FC 3]")
NUMBERS = st.integers(0, 10**6)
LINKS = st.recursive(
    st.sampled_from(WORDS),
    lambda inner: st.one_of(
        st.builds("[{}]*{}".format, st.lists(inner, min_size=1, max_size=3).map(" -> ".join), st.integers(1, 3)),
        st.builds("( {} | {} )".format, st.sampled_from(("RELU", "CONV 2 3x3", "SKIP")), st.sampled_from(WORDS[:3])),
        st.builds(
            "part{}: [{}]".format, st.integers(0, 10**6), st.lists(inner, min_size=1, max_size=3).map(" -> ".join)
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(LINKS, min_size=1, max_size=5))
def test_whatever_is_drawn_its_trunks_are_parts_of_it(links):
    try:
        design = complete(parse(f"INPUT 12x12x3 -> CONV 3 3x3 -> {' -> '.join(links)} -> FC 5 -> RELU -> FC classes\n"
                                "where classes = 4"))  # fmt: skip
    except NotationError:  # a name drawn twice
        return
    names = [layer.name for layer in unfold(design) if not layer.head]
    known = stages(design)
    assert known[-1].volume == Volume(5, 1, 1) and len({stage.name for stage in known}) == len(known)
    for stage in known:
        cut = trunk(design, stage.name)
        own = [layer.name for layer in unfold(cut)]
        assert own == names[: len(own)]
        assert stage.volume == unfold(cut)[-1].output
        made = with_head(design, stage.name, "FC classes", 2)
        assert parse(write(made)) == made and parse(write(cut)) == cut
