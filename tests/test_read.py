"""read: any module as layers, judged by torchvision, torch's own counter, autograd, and our own build."""

import copy
import threading
import time
import warnings
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from torchbeam.design.complete import complete
from torchbeam.design.layers import INPUT
from torchbeam.design.ledger import ledger, ledger_of
from torchbeam.design.notation import parse, write
from torchbeam.design.volume import Volume
from torchbeam.design.words import Activation, Conv, Fc, Foreign, Join, Pool, Shortcut
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import DesignError, SettingError
from torchbeam.network.build import build
from torchbeam.network.read import read

torch.set_num_threads(1)
SMALL = Volume(3, 32, 32)
LARGE = Volume(3, 224, 224)


def on_meta(make, **options):
    with torch.device("meta"):
        return make(**options)


def total(module):
    return sum(parameter.numel() for parameter in module.parameters())


def ledger_from(module, volume=SMALL):
    return ledger_of(read(module, volume).layers, volume)


def rows(module, volume=SMALL):
    return {row.name: row for row in ledger_from(module, volume).rows}


def words(module, volume=SMALL):
    return {layer.name: layer.word for layer in read(module, volume).layers}


def counted_macs(module, volume):
    picture = torch.empty(1, volume.channels, volume.height, volume.width, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        out = copy.deepcopy(module).to("meta").eval()(picture)
    return counter.get_total_flops() // 2, out


# torchvision, judged by its own parameters and shapes and by torch's counter

JUDGES = {
    "alexnet": {},
    "vgg11_bn": {},
    "resnet18": {},
    "resnet50": {},
    "googlenet": {"init_weights": False, "aux_logits": False},
    "squeezenet1_1": {},
    "mobilenet_v2": {},
    "densenet121": {},
    "shufflenet_v2_x1_0": {},
    "efficientnet_b0": {},
    "convnext_tiny": {},
    "vit_b_16": {},
    "swin_t": {},
}


@pytest.mark.parametrize("name", JUDGES)
def test_torchvision_is_read_to_the_last_parameter(name):
    module = on_meta(getattr(models, name), **JUDGES[name])
    book = ledger_from(module, LARGE)
    macs, out = counted_macs(module, LARGE)
    assert book.parameters == total(module)
    assert book.macs == macs
    assert (book.output.channels, book.output.height, book.output.width) == (*out.shape[1:], 1, 1)[:3]


EXACT = ("alexnet", "vgg11_bn", "resnet50", "squeezenet1_1", "mobilenet_v2", "densenet121", "shufflenet_v2_x1_0")


@pytest.mark.parametrize("name", EXACT)
def test_convolutional_networks_are_read_without_notes(name):
    reading = read(on_meta(getattr(models, name)), LARGE)
    assert reading.notes == ()
    assert all(layer.word.local for layer in reading.layers if isinstance(layer.word, Foreign))


def test_receptive_fields_are_those_of_the_literature():
    # Araujo, Norris & Sim, 'Computing Receptive Fields', Distill 2019: VGG-16 212, ResNet-50 483 with the stride in
    # the 1x1; torchvision's has it in the 3x3.
    resnet = rows(on_meta(models.resnet50), LARGE)
    assert resnet["layer4.2.relu_3"].receptive_field == (427, 427)
    vgg = rows(on_meta(models.vgg16), LARGE)
    assert vgg["features.30"].receptive_field == (212, 212)


def test_rows_are_called_by_their_modules():
    names = [row.name for row in ledger_from(on_meta(models.resnet18), LARGE).rows]
    assert names[:11] == [
        *("conv1", "bn1", "relu", "maxpool", "layer1.0.conv1", "layer1.0.bn1", "layer1.0.relu"),
        *("layer1.0.conv2", "layer1.0.bn2", "layer1.0.add", "layer1.0.relu_2"),
    ]
    assert names[-3:] == ["avgpool", "flatten", "fc"]
    assert len(set(names)) == len(names)


def test_what_is_not_run_is_told():
    module = on_meta(models.googlenet, init_weights=False, aux_logits=True)
    reading = read(module, LARGE)
    book = ledger_of(reading.layers, LARGE)
    unused = total(module.aux1) + total(module.aux2)
    assert book.parameters + unused == total(module)
    assert reading.notes == (f"{unused:,} parameters are never used in evaluation: in aux1, aux2",)


def test_attention_is_read_as_foreign():
    reading = read(on_meta(models.vit_b_16), LARGE)
    assert (
        "12 operations of kind MultiheadAttention: what its neurons see is taken as all that came in" in reading.notes
    )
    attention = next(layer for layer in reading.layers if layer.name.endswith("layer_0.self_attention"))
    assert attention.word == Foreign("MultiheadAttention", 4 * 768 * 768, 4 * 768, attention.word.macs, local=False)
    # Four projections of 197 tokens, and two products of tokens by tokens.
    assert attention.word.macs == 4 * 197 * 768 * 768 + 2 * 197 * 197 * 768


# Our own networks, judged by the ledger of their text


@pytest.mark.parametrize("name", NETWORKS)
def test_the_zoo_reads_back_to_its_own_ledger(name):
    design = complete(parse(NETWORKS[name].text))
    volume = design.input.volume
    book, again = ledger(design), ledger_from(on_meta(lambda: build(design)), volume)
    for figure in ("parameters", "macs", "neurons", "receptive_field", "output", "depth"):
        assert getattr(again, figure) == getattr(book, figure), figure


TEXTS = (
    "INPUT 32x32x3 -> CONV 4 -> ( CONV 4 1x1 | CONV 6 5x5 | POOL 3x3 stride 1 pad 1 -> CONV 2 1x1 ) -> POOL -> FC 5",
    "INPUT 16x16x4 -> ( CONV 4 -> RELU -> CONV 4 + SKIP ) -> RELU -> ( CONV 8 stride 2 pad 0:1 + SHORTCUT 8 stride 2 )",
    "INPUT 16x16x4 -> ( CONV 4 + SKIP + CONV 4 5x5 ) -> a: [CONV 4 -> b: ( BN | SKIP )] -> POOL avg global -> FC 3",
    "INPUT 20x20x3 -> CONV depthwise -> CONV 8 1x1 -> UP 2 bilinear -> UP 2 -> POOL avg to 7x5 -> FC 4 -> SOFTMAX",
    "INPUT 15x15x3 -> CONV 4 2x2 pad 1:0 -> POOL 2x2 fit pad -> POOL avg 3x3 stride 2 pad 1 count valid fit pad",
    "INPUT 15x15x3 -> POOL l2 2x2 pad 0:1 -> POOL avg 3x3 stride 2 pad 1:0 -> POOL max 2x2 stride 1 pad 0:1 -> LRN 5",
    "INPUT 9x9x2 -> STEP -> ARCTAN -> GAUSSIAN -> SINE -> BENTIDENTITY -> LEAKYRELU 0.2 -> PRELU -> ELU 2 -> CELU",
    "INPUT 9x9x2 -> SELU -> GELU -> SILU -> HARDSWISH -> MISH -> SOFTPLUS -> HARDTANH -> SOFTSIGN -> FC 2 -> BN",
    "INPUT 8x8x3 -> CONV 4 -> AUX 0.3 [POOL -> FC 3] -> CONV 4 -> FC 2",
    "INPUT 8x8x3 -> ( FC 8 | POOL avg global -> FC 4 ) -> RELU -> FC 2",
    "INPUT 8x8x2 -> FLATTEN -> CONV 4 1x1 -> POOL max global -> DROPOUT 0.1 -> FC 3 bias no",
)


@pytest.mark.parametrize("text", TEXTS)
def test_built_texts_read_back_row_by_row(text):
    design = complete(parse(text))
    volume = design.input.volume
    reading = read(on_meta(lambda: build(design)), volume)
    book, again = ledger(design), ledger_of(reading.layers, volume)
    sizes = ("name", "output", "weights", "biases", "macs", "activation_bytes")
    figures = (*sizes, "receptive_field", "jump", "offset", "connections")
    assert [[getattr(row, figure) for figure in figures] for row in again.rows] == [
        [getattr(row, figure) for figure in figures] for row in book.trunk
    ]


# Chains as notation

CHAINS = {
    "INPUT 32x32x3 -> CONV 8 5x5 -> RELU -> POOL max 2x2 -> FC 10": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 16 * 16, 10)
    ),
    "INPUT 32x32x3 -> stem: CONV 6 4x4 stride 3 pad 0 bias no fit crop -> BN -> LEAKYRELU 0.2 -> "
    "POOL max 3x3 stride 2 fit pad -> POOL avg global -> score: FC 4 -> SOFTMAX": lambda: nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(3, 6, 4, 3, bias=False),
            bn1=nn.BatchNorm2d(6),
            act=nn.LeakyReLU(0.2),
            pool=nn.MaxPool2d(3, 2, ceil_mode=True),
            gap=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            score=nn.Linear(6, 4),
            out=nn.Softmax(1),
        )
    ),
    "INPUT 32x32x3 -> CONV 4 2x2 stride 2 pad 0:1 fit crop -> UP 2 bilinear -> LRN 3 k 1 -> DROPOUT 0.2 -> FLATTEN": (
        lambda: nn.Sequential(
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.Conv2d(3, 4, 2, 2),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.LocalResponseNorm(3),
            nn.Dropout(0.2),
            nn.Flatten(),
        )
    ),
}


@pytest.mark.parametrize("text", CHAINS)
def test_chains_are_written_as_notation_and_built_again(text):
    module = CHAINS[text]().eval()
    design = read(module, SMALL).design
    assert [link.step for link in design.net] == [link.step for link in parse(text).net]
    assert parse(write(design)) == design
    again = build(design).eval()
    assert [p.shape for p in again.parameters()] == [p.shape for p in module.parameters()]
    with torch.no_grad():
        for ours, theirs in zip(again.parameters(), module.parameters(), strict=True):
            ours.copy_(theirs)
        picture = torch.rand(2, 3, 32, 32)
        torch.testing.assert_close(again(picture), module(picture))


def test_long_chains_keep_the_names_that_can_be_said():
    vgg = write(read(on_meta(models.vgg16), LARGE).design)
    assert vgg.startswith("INPUT 224x224x3 -> CONV 64 3x3 -> RELU -> CONV 64 3x3 -> RELU -> POOL max 2x2")
    assert "avgpool: POOL avg to 7x7" in vgg


def test_what_branches_or_has_no_word_is_no_design():
    assert read(on_meta(models.resnet18), LARGE).design is None
    assert read(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)), SMALL).design is None
    shared = nn.Conv2d(3, 3, 1)
    assert read(nn.Sequential(shared, nn.ReLU(), shared), SMALL).design is None


# What neurons see, judged by autograd


class Bottleneck(nn.Module):
    """Slices, pads, shuffles and permutes as networks in the wild do."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(4, 4, 3, 2, 1)
        self.deep = nn.Conv2d(4, 4, 5, dilation=2)
        self.mix = nn.Linear(4, 4)

    def forward(self, x):
        x = self.down(x) + x[:, :, ::2, ::2]
        x = self.mix(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        left, right = x.chunk(2, 1)
        x = torch.cat([left * 0.5, right], 1)
        return F.avg_pool2d(self.deep(F.pad(x, (1, 2, 4, 3))), 2, 1) * 2


def test_what_neurons_see_is_what_autograd_reaches():
    module = Bottleneck().double()
    for parameter in module.parameters():
        nn.init.constant_(parameter, 0.1)
    volume = Volume(4, 64, 64)
    reading = read(module, volume)
    row = ledger_of(reading.layers, volume).rows[-1]
    assert reading.notes == ()
    picture = torch.rand(1, 4, 64, 64, dtype=torch.float64, requires_grad=True)
    out = module(picture)
    assert out.shape[1:] == (row.output.channels, row.output.height, row.output.width)
    at = 12
    out[0, :, at, at].sum().backward()
    seen = picture.grad[0].abs().sum(0) > 0
    down, across = seen.any(1).nonzero(), seen.any(0).nonzero()
    assert (across[-1] - across[0] + 1, down[-1] - down[0] + 1) == row.receptive_field
    assert (across[0] - at * row.jump[0], down[0] - at * row.jump[1]) == row.offset


def test_layers_over_channels_last_keep_what_numbers_see():
    convnext = rows(on_meta(models.convnext_tiny), LARGE)
    assert convnext["features.1.0.block.3"].word == "Linear"
    assert convnext["features.1.0.block.3"].receptive_field == (28, 28)  # 4x4 stride 4, then 7x7
    assert convnext["features.1.0.block.3"].macs == 56 * 56 * 96 * 384


# One thing at a time


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding="same")
        self.fc = nn.Linear(8 * 16 * 16, 10)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = self.drop(x.view(x.size(0), -1))
        return F.relu(F.dropout(self.fc(x), training=self.training) / 2 + 0)


def test_functions_are_called_by_their_own_names():
    layers = read(Functional(), SMALL).layers
    assert [(layer.name, type(layer.word).__name__) for layer in layers] == [
        ("conv1", "Conv"),
        ("relu", "Activation"),
        ("max_pool2d", "Pool"),
        ("view", "Flatten"),
        ("drop", "Dropout"),
        ("fc", "Fc"),
        ("div", "Foreign"),
        ("relu_2", "Activation"),
    ]
    assert layers[0].word.padding == ((1, 1), (1, 1))
    assert [layer.sources for layer in layers] == [(INPUT,), *((at,) for at in range(7))]


def test_slices_and_zero_channels_are_shortcuts():
    class OptionA(nn.Module):
        def forward(self, x):
            return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 3))

    assert words(OptionA()) == {"slice": Shortcut(3, (2, 2)), "pad": Shortcut(8)}


def test_a_slice_that_starts_later_is_cut_and_then_strided():
    class Focus(nn.Module):
        def forward(self, x):
            parts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
            return torch.cat(parts, 1)

    reading = read(Focus(), SMALL)
    row = ledger_of(reading.layers, SMALL).rows[-1]
    assert (row.word, row.jump, row.output) == ("CONCAT", (2, 2), Volume(12, 16, 16))
    assert reading.notes == ("3 operations of kind slice: how far it moves what its neurons see is not counted",)


def test_padding_is_taken_in_by_the_window_behind_it():
    module = nn.Sequential(nn.ZeroPad2d((0, 1, 2, 3)), nn.Conv2d(3, 4, 5, padding=1), nn.ZeroPad2d(1), nn.ReLU())
    found = words(module)
    assert found["1"] == Conv(4, (5, 5), padding=((3, 4), (1, 2)))
    assert found["2"] == Foreign("ZeroPad2d")
    assert list(found) == ["1", "2", "3"]


def test_other_paddings_are_rows_of_their_own():
    found = rows(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU()))
    assert found["0.pad"].output == Volume(3, 34, 34)
    assert (found["0"].output, found["0"].receptive_field) == (Volume(4, 32, 32), (3, 3))


@pytest.mark.parametrize(
    ("module", "word"),
    [
        (nn.MaxPool2d(3, 2, ceil_mode=True), Pool("max", "window", (3, 3), (2, 2), fit="pad")),
        (nn.MaxPool2d(3, 2), Pool("max", "window", (3, 3), (2, 2), fit="crop")),
        (nn.MaxPool2d(2, ceil_mode=True), Pool("max", "window", (2, 2), (2, 2))),
        (nn.MaxPool2d(2, dilation=2), Foreign("MaxPool2d", local=False)),
        (nn.AvgPool2d(3, 1, 1, count_include_pad=False), Pool("avg", "window", (3, 3), (1, 1), ((1, 1),) * 2, "valid")),
        (nn.AdaptiveMaxPool2d((4, None)), Pool("max", to=(4, 32))),
        (nn.LPPool2d(2, 2), Pool("l2", "window", (2, 2), (2, 2))),
        (nn.Hardtanh(0, 6), Activation("RELU6")),
        (nn.Hardtanh(-2, 2), Foreign("Hardtanh")),
        (nn.GELU("tanh"), Foreign("GELU")),
        (nn.PReLU(3), Foreign("PReLU", weights=3)),
        (nn.Softmax(dim=3), Foreign("Softmax", local=False)),
        (nn.BatchNorm2d(3, affine=False), Foreign("BatchNorm2d")),
        (nn.GroupNorm(1, 3), Foreign("GroupNorm", 3, 3, local=False)),
        (nn.Upsample(scale_factor=1.5), Foreign("Upsample", local=False)),
        (nn.ConvTranspose2d(3, 4, 2, 2), Foreign("ConvTranspose2d", 48, 4, 32 * 32 * 3 * 4 * 4, local=False)),
        (nn.Linear(32, 8), Foreign("Linear", 32 * 8, 8, 3 * 32 * 32 * 8, local=False)),
    ],
)
def test_each_module_is_its_word_or_foreign(module, word):
    found = words(nn.Sequential(nn.ReLU(), module))["1"]
    assert found == word


def test_one_global_mean_is_a_pool_whichever_way_it_is_written():
    class Mean(nn.Module):
        def __init__(self, mean):
            super().__init__()
            self.mean = mean

        def forward(self, x):
            return self.mean(x)

    ways = (
        lambda x: x.mean((2, 3)),
        lambda x: torch.mean(x, dim=[-1, -2], keepdim=True),
        lambda x: x.flatten(2).mean(2),
        lambda x: x.permute(0, 2, 3, 1).mean(axis=(1, 2)),
        lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1)[:, :],
    )
    for way in ways:
        assert next(iter(words(Mean(way)).values())) == Pool("avg", "global")


def test_sums_begun_by_zero_are_sums():
    class Sums(nn.Module):
        def forward(self, x):
            return sum([x, x.relu()])

    assert words(Sums()) == {"relu": Activation("RELU"), "add": Join("sum")}


def test_shared_weights_are_told():
    shared = nn.Conv2d(3, 3, 1)
    reading = read(nn.Sequential(shared, nn.ReLU(), shared), SMALL)
    assert [layer.name for layer in reading.layers] == ["0", "1", "0_2"]
    assert reading.notes == ("used several times, its parameters counted each time: 0",)


def test_normalised_weights_keep_their_count():
    normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3))
    book = ledger_from(nn.Sequential(normed))
    assert [(row.name, row.word, row.parameters) for row in book.rows] == [
        ("0.weights", "weights", 8),
        ("0", "CONV", 224),
    ]
    assert book.parameters == total(normed)


def test_several_outputs_are_told():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1), nn.Conv2d(4, 5, 1)

        def forward(self, x):
            x = self.body(x)
            return {"out": self.a(x), "aux": self.b(x)}

    reading = read(Two(), SMALL)
    assert reading.notes == ("the module gives 2 tensors: the ledger's output is that of its last row",)
    assert [layer.name for layer in reading.layers] == ["body", "b", "a"]


def test_wrappers_of_torch_are_seen_through():
    module = nn.DataParallel(nn.Sequential(nn.Conv2d(3, 4, 3)))
    assert list(words(module)) == ["0"]
    assert list(words(nn.Sequential(nn.Conv2d(3, 4, 3)).half())) == ["0"]


# The module stays as it was


class Keeps(nn.Module):
    """Changes itself when it runs."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.seen = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), []
        self.plain = torch.ones(1)

    def forward(self, x):
        self.last = self.bn(self.conv(x))
        self.seen.append(self.last)
        if x.shape[-1] == 7:
            raise ValueError("seven")
        return self.last


def state_of(module):
    return [
        (name, id(each), each.training, dict(each.__dict__), list(each._forward_hooks), list(each._forward_pre_hooks))
        for name, each in module.named_modules()
    ]


@pytest.mark.parametrize("width", [32, 7])
def test_the_module_is_as_before(width):
    module = Keeps().train()
    module.bn.eval()
    called = []
    module.conv.register_forward_hook(lambda *_: called.append(1))
    before, tensors = (
        state_of(module),
        {name: (id(t), t.clone()) for name, t in module.state_dict(keep_vars=True).items()},
    )
    if width == 7:
        with pytest.raises(DesignError, match="seven"):
            read(module, Volume(3, 32, 7))
    else:
        assert read(module, SMALL).notes == ("1 hook of the module not run",)
    assert state_of(module) == before
    assert called == [] and module.seen == [] and not hasattr(module, "last")
    after = module.state_dict(keep_vars=True)
    assert {name: id(tensor) for name, tensor in after.items()} == {name: at for name, (at, _) in tensors.items()}
    assert all(torch.equal(tensor, tensors[name][1]) for name, tensor in after.items())


def test_no_hooks_are_left_on_torch_itself():
    everywhere = nn.modules.module
    with pytest.raises(DesignError):
        read(on_meta(models.alexnet), SMALL)
    read(Functional(), SMALL)
    assert not everywhere._global_forward_hooks
    assert not everywhere._global_forward_pre_hooks


def test_nothing_is_allocated_for_weights_or_pictures():
    class Devices(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            found.update(
                each.device.type for each in (out if isinstance(out, tuple) else (out,)) if torch.is_tensor(each)
            )
            return out

    module, found = models.resnet18(), set()
    module.kept = [torch.ones(3)]
    with Devices():
        read(module, LARGE)
    assert found == {"meta"}


def test_reading_leaves_chance_alone():
    module, before = Functional(), torch.get_rng_state()
    read(module, SMALL)
    assert torch.equal(torch.get_rng_state(), before)


def test_resnet50_is_read_in_a_moment():
    module = on_meta(models.resnet50)
    read(module, LARGE)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        read(module, LARGE)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5


# What cannot be read


def refusal(module, volume=SMALL, error=DesignError):
    with pytest.raises(error) as caught:
        read(module, volume)
    return str(caught.value)


def test_a_linear_that_does_not_fit_is_told_what_would():
    said = refusal(nn.Sequential(OrderedDict(conv1=nn.Conv2d(3, 8, 3), flat=nn.Flatten(), fc=nn.Linear(100, 10))))
    assert said.startswith(
        "fc (Linear) takes 100 numbers, and 7,200 came\n"
        "  expected  in_features=7200 for pictures of 32x32x3\n"
        "  got       after input 32x32x3 -> conv1 30x30x8 -> flat 1x1x7200\n"
    )
    assert said.endswith("  remedy    Linear(7200, 10)")


def test_a_forgotten_flatten_is_told():
    said = refusal(nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Linear(8 * 15 * 15, 10)))
    assert said.startswith("2 (Linear) takes 1,800 numbers in one row, and 15x15x8 came")
    assert said.endswith("remedy    put Flatten before it")


def test_a_wrong_depth_is_told():
    said = refusal(on_meta(models.resnet18), Volume(1, 224, 224))
    assert said.startswith("conv1 (Conv2d) takes an input 3 deep, and 224x224x1 came\n  expected  in_channels=1")
    grouped = nn.Conv2d(8, 8, 3, groups=4)
    assert "takes an input 8 deep" in refusal(nn.Sequential(grouped))


def test_a_picture_that_is_too_small_is_told_with_its_way():
    said = refusal(on_meta(models.alexnet))
    assert said.startswith("features.12 (MaxPool2d) cannot run on 1x1x256\n  got       after input 32x32x3 -> ... -> ")
    assert " -> features.8 1x1x256\n" in said
    assert "remedy    pictures larger than 32x32" in said


def test_an_error_of_the_module_itself_is_told_with_its_place():
    class Four(nn.Module):
        def forward(self, x):
            assert x.shape[1] == 4, "four channels are needed"
            return x

    said = refusal(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sequential(Four())))
    assert said.startswith("1.0 (Four) cannot run on 30x30x8\n  got       after input 32x32x3 -> 0 30x30x8\n")
    assert "AssertionError: four channels are needed" in said


@pytest.mark.parametrize(
    "ask",
    [lambda x: bool(x.sum() > 0), lambda x: x.max().item(), lambda x: x.mean().tolist(), lambda x: int(x[0, 0, 0, 0])],
)
def test_ways_that_depend_on_numbers_are_refused(ask):
    class Asks(nn.Module):
        def forward(self, x):
            return x * 2 if ask(x) else x

    said = refusal(nn.Sequential(nn.Conv2d(3, 4, 3), Asks()))
    assert said.startswith("1 (Asks): what is computed depends on the numbers of the picture, by ")
    assert "it cannot be read without running it" in said


def test_what_is_no_module_to_be_run_is_refused():
    assert refusal(3, error=SettingError).startswith("int is no module")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is on its way out
        scripted = torch.jit.trace(nn.Conv2d(3, 4, 3), torch.rand(1, 3, 8, 8))
    assert refusal(nn.Sequential(scripted), error=SettingError).startswith(
        "0 (TopLevelTracedModule) is compiled by Torch"
    )
    lazy = refusal(nn.Sequential(nn.LazyConv2d(3, 3)), error=SettingError)
    assert lazy == "0 (LazyConv2d) has no shapes yet\n  remedy    run it once on a picture, then read it"
    assert "has no layers between its input and its output" in refusal(nn.Identity())


def test_a_module_that_cannot_be_copied_is_refused():
    module = nn.Sequential(nn.Conv2d(3, 4, 3))
    module.lock = threading.Lock()
    assert refusal(module).startswith("Sequential cannot be read, as its structure cannot be copied\n")


def test_fc_words_say_their_units():
    assert words(nn.Sequential(nn.Flatten(), nn.Linear(3072, 7, bias=False)))["1"] == Fc(7, bias=False)
