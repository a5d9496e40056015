"""unfold: the sequence of layers, and the one name each of them has."""

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from torchbeam.design.complete import complete
from torchbeam.design.layers import Names, said_names, unfold
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.design.words import Conv, Fc, Pool
from torchbeam.errors import DesignError, TorchbeamError
from torchbeam.network.build import build

torch.set_num_threads(1)
PICTURE = Volume(3, 32, 32)


def layers(text):
    return unfold(complete(parse(text), PICTURE, 10))


def names(text):
    return [layer.name for layer in layers(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INPUT -> CONV -> RELU -> CONV -> FC", "conv1 relu1 conv2 fc1"),
        ("INPUT -> [CONV 4 -> RELU]*2 -> [CONV 4]", "conv1 relu1 conv2 relu2 conv3"),
        ("INPUT -> stem: CONV -> CONV", "stem conv1"),
        ("INPUT -> conv1: RELU -> CONV -> conv3: CONV -> CONV", "conv1 conv2 conv3 conv4"),
        ("INPUT -> CONV -> conv1: CONV", "conv2 conv1"),
        ("INPUT -> stage1: [CONV -> RELU] -> stage2: [CONV]", "stage1.conv1 stage1.relu1 stage2.conv1"),
        ("INPUT -> stage: [CONV 4]*2 -> CONV 4", "stage.conv1 stage.conv2 conv1"),
        ("INPUT -> s: [a: CONV 4 -> t: [a: RELU]]*2", "s.a s.t.a s.a_2 s.t_2.a"),
        ("INPUT -> [a: CONV 4]*3", "a a_2 a_3"),
        ("INPUT -> [a: CONV 4 -> [a_2: RELU]]*2", "a a_2 a_3 a_2_2"),
        ("INPUT -> [s: [CONV 4]]*2 -> s_2: FC", "s.conv1 s_3.conv1 s_2"),
        ("INPUT -> [s: [CONV 4]]*2 -> FC", "s.conv1 s_2.conv1 fc1"),
        ("INPUT -> LEAKYRELU -> BN -> BN -> POOL", "leakyrelu1 bn1 bn2 pool1"),
        ("INPUT -> Conv1: CONV -> CONV", "Conv1 conv1"),
        ("INPUT -> ( CONV 4 -> RELU | CONV 4 ) -> CONV", "conv1 relu1 conv2 concat1 conv3"),
        ("INPUT -> x: ( a: RELU + SKIP )*2 -> RELU", "x.a x.sum1 x.a_2 x.sum2 relu1"),
        ("INPUT -> [x: ( RELU + SKIP )]*2", "x.relu1 x.sum1 x_2.relu1 x_2.sum1"),
        ("INPUT -> ( b: [RELU] | b_2: [RELU] ) -> concat1: RELU", "b.relu1 b_2.relu1 concat2 concat1"),
        ("INPUT -> AUX 1 [FC 3] -> AUX 2 [FC 3 -> AUX 1 [FC 3]] -> FC", "aux1.fc1 aux2.fc1 aux2.aux1.fc1 fc1"),
        ("INPUT -> side: AUX 1 [FC 3] -> aux1: FC -> AUX 2 [FC 3]", "side.fc1 aux1 aux2.fc1"),
        ("INPUT -> u -> x: u -> u where u = a: RELU -> TANH", "a tanh1 x.a x.tanh1 a_2 tanh2"),
        ("INPUT -> relu1: SKIP -> [RELU -> same: SKIP]*2", "relu2 relu3"),
        ("INPUT -> [x: [SKIP] -> RELU]*2 -> [x_2: RELU]", "relu1 relu2 x_2"),
    ],
)
def test_layers_are_called_by_their_name_or_counted_by_their_word(text, expected):
    assert names(text) == expected.split()


def test_a_layer_stands_between_its_volumes_with_its_word_and_fit():
    first, second, last = layers("INPUT 9x7x2 fit crop -> CONV 4 3x3 pad 0 -> POOL 2x2 fit pad -> FC")
    assert (first.word, first.input, first.output) == (
        Conv(4, (3, 3), padding=((0, 0), (0, 0))),
        Volume(channels=2, height=7, width=9),
        Volume(channels=4, height=5, width=7),
    )
    assert (second.input, second.output) == (first.output, Volume(4, 3, 4))
    assert (first.fit, second.fit, last.fit) == ("crop", "pad", "crop")
    assert isinstance(second.word, Pool) and last.word == Fc(10)
    assert last.output == Volume(10, 1, 1)


def test_layers_know_what_they_read_and_the_side_head_they_are_in():
    made = layers("INPUT 8x8x3 -> ( SKIP | CONV 4 -> RELU | SKIP ) -> h: AUX 0.5 [FC 7 -> AUX 1 [FC 2] -> TANH] -> FC")
    assert [(layer.name, layer.sources, layer.head) for layer in made] == [
        ("conv1", (-1,), ""),
        ("relu1", (0,), ""),
        ("concat1", (-1, 1, -1), ""),
        ("h.fc1", (2,), "h"),
        ("h.aux1.fc1", (3,), "h.aux1"),
        ("h.tanh1", (3,), "h"),
        ("fc1", (2,), ""),
    ]
    assert made[2].inputs == (Volume(3, 8, 8), Volume(4, 8, 8), Volume(3, 8, 8))
    assert (made[2].input, made[2].output) == (Volume(3, 8, 8), Volume(10, 8, 8))


@pytest.mark.parametrize("text", ["INPUT -> SKIP", "INPUT -> [SKIP]*3", "INPUT -> AUX 0.3 [FC]"])
def test_a_network_without_layers_of_its_own_is_refused(text):
    with pytest.raises(DesignError) as caught:
        layers(text)
    assert "the network has no layers" in str(caught.value)
    assert "at least one that is not SKIP" in str(caught.value)


def test_what_only_a_words_own_defaults_would_add_need_not_be_said():
    """So a definition may stay `CONV n` when it is completed."""
    conv, pool, relu = unfold(parse("INPUT 8x8x3 -> CONV 4 -> POOL -> LEAKYRELU"))
    assert conv.word == Conv(4, (3, 3), padding=((1, 1), (1, 1)))
    assert pool.word == Pool("max", "window", (2, 2), (2, 2))
    assert relu.word.slope == 0.01


def test_said_names_are_those_of_the_scope_and_of_its_unnamed_brackets():
    net = parse("INPUT -> a: CONV -> [b: RELU -> [c: RELU]] -> d: [e: RELU] -> FC").net
    assert said_names(net) == ["a", "b", "c", "d"]
    net = parse("INPUT -> ( a: CONV | [b: SKIP] ) -> x: ( c: FC | d: FC ) -> AUX 1 [e: FC] -> f: AUX 1 [FC]").net
    assert said_names(net) == ["a", "b", "x", "f"]


def test_names_gives_each_name_once_and_opens_scopes():
    net = parse("INPUT -> relu1: CONV -> RELU").net
    given_names = Names(net, "top.")
    assert [given_names.take("", net[1].step) for _ in range(2)] == ["top.relu2", "top.relu3"]
    assert [given_names.take("relu1", net[0].step) for _ in range(2)] == ["top.relu1", "top.relu1_2"]
    assert given_names.scope("s", net).take("", net[1].step) == "top.s.relu2"
    assert given_names.scope("s", net).take("", net[1].step) == "top.s_2.relu2"


def test_a_design_without_a_size_is_refused():
    with pytest.raises(DesignError) as caught:
        unfold(parse("INPUT -> FC 10"))
    assert "INPUT has no size yet" in str(caught.value)
    assert "complete the design first" in str(caught.value)


@pytest.mark.parametrize("text", ["INPUT 8x8x3 -> CONV", "INPUT 8x8x3 -> FC", "INPUT 8x8x3 -> [CONV 3x3 -> RELU]*2"])
def test_a_design_with_a_bare_word_is_refused(text):
    with pytest.raises(DesignError, match="is still bare") as caught:
        unfold(parse(text))
    assert "complete the design first" in str(caught.value)


words = st.sampled_from(["CONV 4", "CONV 4 2x2 pad 0:1", "POOL", "FC 5", "RELU", "BN", "FLATTEN", "SKIP", "AUX 1 [FC]"])
labels = st.sampled_from(["", "", "", "a: ", "a_2: ", "a_2_2: ", "conv1: ", "conv2: ", "bn1: ", "fc_1: ", "s: "])
steps = st.tuples(labels, words).map("".join)
texts = st.recursive(
    steps,
    lambda inner: (
        st.tuples(labels, st.lists(inner, min_size=1, max_size=3), st.sampled_from(["", "*2", "*3"])).map(
            lambda group: f"{group[0]}[{' -> '.join(group[1])}]{group[2]}"
        )
        | st.tuples(labels, st.lists(inner, min_size=2, max_size=3), st.sampled_from("|+")).map(
            lambda group: f"{group[0]}( {f' {group[2]} '.join(group[1])} )"
        )
    ),
    max_leaves=6,
)


@settings(
    max_examples=150,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(st.lists(texts, min_size=1, max_size=4).map(" -> ".join))
def test_names_are_unique_and_those_of_the_built_modules_that_learn(net):
    try:
        design = complete(parse(f"INPUT 12x9x2 fit pad -> {net}"), PICTURE, 10)
        sequence = unfold(design)
    except TorchbeamError:
        assume(False)
    called = [layer.name for layer in sequence]
    assert len(set(called)) == len(called)
    network = build(design)
    learning = [name for name, module in network.named_modules() if list(module.parameters(recurse=False))]
    assert learning == [layer.name for layer in sequence if type(layer.word).__name__ in ("Conv", "Fc", "BatchNorm")]
    assert all(network.get_submodule(name) for name in called)
