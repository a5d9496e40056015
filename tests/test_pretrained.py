"""Published weights in our networks: the same numbers come out as from the networks they were published for.

Judges: torchvision, timm and akamaster's CIFAR ResNets with the same state dict; and real weights on real pictures.
"""

import csv
import functools
import io
import zipfile
from dataclasses import replace

import pytest
import torch
from akamaster import CifarResNet
from data_makers import shared
from judges import PAIRS, judge, on_meta
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from torchbeam.design.complete import complete
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import ModelFileError, SettingError
from torchbeam.network.build import build
from torchbeam.network.graph import Outputs
from torchbeam.network.pretrained import key_maps, load_weights, read_state

CLOSE = 1e-4  # of the largest number compared


@pytest.fixture(scope="module", autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def empty(name, size=None, classes=None):
    """Our network, every number of it NaN: what is not filled shows."""
    design = parse(NETWORKS[name].text)
    if size is not None:
        volume = Volume(design.input.volume.channels, size, size)
        design = replace(design, input=replace(design.input, volume=volume))
    network = on_meta(lambda: build(complete(design, classes=classes))).to_empty(device="cpu")
    for tensor in network.state_dict().values():
        tensor.fill_(float("nan") if tensor.is_floating_point() else 0)
    return network.eval()


def random_state(network):
    """Numbers for every key, no two tensors alike, so that a layer in another's place changes what comes out."""
    noise = torch.randn(1_000_003, generator=torch.Generator().manual_seed(7))
    twice, state = noise.repeat(2), {}
    for at, (key, tensor) in enumerate(network.state_dict().items()):
        turned, size = twice[997 * at % len(noise) :][: len(noise)], tensor.numel()
        drawn = (turned if size <= len(noise) else turned.repeat(-(-size // len(noise))))[:size].view(tensor.shape)
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(at)
        elif tensor.ndim >= 2:
            state[key] = drawn * (2 / tensor[0].numel()) ** 0.5
        else:
            state[key] = drawn.clamp(-2, 2) * 0.2 + (1 if key.endswith(("norm.weight", "var")) else 0)
            if key.endswith("weight"):
                state[key] = drawn.clamp(-2, 2) * 0.2 + 1
    return state


def published(origin, name):
    """Their network with random numbers, and these."""
    theirs = judge(origin, name)
    state = random_state(theirs)
    theirs.load_state_dict(state, assign=True)
    return theirs, state


@functools.cache
def squeezed():
    """A small state dict."""
    return published("torchvision", "squeezenet-1.1")[1]


def pictures(size, n=2, channels=3):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(size))


def assert_close(ours, theirs):
    assert ours.shape == theirs.shape and theirs.isfinite().all()
    assert (ours - theirs).abs().max() <= CLOSE * theirs.abs().max()


# The same numbers come out

# Two sizes a network; the deep ones at small pictures, VGG-16 once. VGG-13 and 19 have its layers, fewer and more.
SIZES = {
    "alexnet": (96, 224), "vgg-11": (33, 64), "vgg-13": (), "vgg-16": (64,), "vgg-19": (), "googlenet": (97, 128),
    "resnet-18": (64, 97), "resnet-34": (64, 97), "resnet-50": (64, 97), "resnet-101": (33, 64), "resnet-152": (33, 64),
    "squeezenet-1.0": (97, 224), "squeezenet-1.1": (97, 224), "mobilenet-v2": (97, 160),
    "inception-v4": (96, 299), "resnet-v2-50": (64, 97), "resnet-v2-101": (33, 64), "resnet-v2-152": (33,),
    "resnet-20": (32, 47), "resnet-32": (32, 47), "resnet-44": (32,), "resnet-56": (32, 47), "resnet-110": (32,),
}  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize(("origin", "name"), [pair for pair in PAIRS if SIZES[pair[1]]])
def test_with_their_weights_a_network_gives_their_scores(origin, name):
    theirs, state = published(origin, name)
    ours = None
    for size in SIZES[name]:
        if ours is None or "fit pad" in NETWORKS[name].text:  # other pads at another size; else one network runs at any
            ours = empty(name, size)
            assert load_weights(ours, name, state) == origin
        x = pictures(size, n=1 if size == 299 else 2)
        assert_close(ours(x), theirs(x))


def gradients(network, x, labels):
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    given = network.train()(x)
    if isinstance(given, Outputs):
        sides = [(weight, scores) for weight, scores in given.sides]
        given = given.scores
    elif isinstance(given, tuple):  # torchvision's GoogLeNet: scores, aux2, aux1
        sides = [(0.3, given[2]), (0.3, given[1])]
        given = given[0]
    else:
        sides = []
    loss = F.cross_entropy(given, labels)
    for weight, scores in sides:
        loss = loss + weight * F.cross_entropy(scores, labels)
    loss.backward()


@pytest.mark.parametrize(
    ("name", "size", "still"),
    [
        ("alexnet", 64, "fc1"), ("vgg-11", 32, "fc1"), ("squeezenet-1.1", 64, ""), ("resnet-18", 64, ""),
        ("googlenet", 64, ""),
    ],
)  # fmt: skip
def test_with_their_weights_a_training_step_has_their_gradients(name, size, still):
    theirs, state = published("torchvision", name)
    ours = empty(name, size)
    load_weights(ours, name, state)
    keys = key_maps(name)["torchvision"]
    if still:  # the largest layer by far learns nothing, to save time
        ours.get_submodule(still).weight.requires_grad_(False)
        theirs.get_submodule(keys[still]).weight.requires_grad_(False)
    x, labels = pictures(size, n=4), torch.tensor([3, 1, 4, 1])
    gradients(ours, x, labels)
    gradients(theirs, x, labels)
    compared = 0
    for own, other in keys.items():
        for what, parameter in ours.get_submodule(own).named_parameters():
            if parameter.requires_grad:
                their_gradient = getattr(theirs.get_submodule(other), what).grad
                assert their_gradient.any(), other
                assert_close(parameter.grad, their_gradient)
                compared += 1
    assert compared == sum(parameter.requires_grad for parameter in theirs.parameters())


@torch.no_grad()
def test_any_two_layers_of_equal_shape_swapped_change_the_scores():
    """So that equal scores, above, mean that every layer is in its place."""
    state = squeezed()
    ours = empty("squeezenet-1.1", 64)
    x = pictures(64, n=1)
    load_weights(ours, "squeezenet-1.1", state)
    right = ours(x)
    keys = list(state)
    pairs = [
        (a, b)
        for at, a in enumerate(keys)
        for b in keys[at + 1 :]
        if state[a].shape == state[b].shape and state[a].ndim > 1
    ]
    assert len(pairs) == 8
    for a, b in pairs:
        load_weights(ours, "squeezenet-1.1", {**state, a: state[b], b: state[a]})
        assert (ours(x) - right).abs().max() > 100 * CLOSE * right.abs().max(), (a, b)


# What is allowed


def test_a_file_of_either_kind_is_read_and_half_precision_widened(tmp_path):
    halved = {key: tensor.half() for key, tensor in squeezed().items()}
    torch.save(halved, tmp_path / "weights.pth")
    torch.save({"state_dict": halved, "epoch": 3}, tmp_path / "run.pth")
    torch.save({"model": halved}, tmp_path / "model.pt")
    torch.save(halved, tmp_path / "old.th", _use_new_zipfile_serialization=False)
    save_file(halved, tmp_path / "weights.safetensors")
    for path in sorted(tmp_path.iterdir()):
        ours = empty("squeezenet-1.1")
        assert load_weights(ours, "SqueezeNet_1.1", str(path)) == "torchvision"
        assert ours.conv1.weight.dtype == torch.float32
        assert torch.equal(ours.conv1.weight, halved["features.0.weight"].float())
        assert all(tensor.isfinite().all() for tensor in ours.state_dict().values())


@torch.no_grad()
def test_side_heads_that_the_weights_leave_out_stay_as_they_are():
    theirs, state = published("torchvision", "googlenet")
    ours = empty("googlenet", 64)
    for name, parameter in ours.named_parameters():
        if name.startswith("aux"):
            parameter.fill_(0.5)
    load_weights(ours, "googlenet", {key: tensor for key, tensor in state.items() if not key.startswith("aux")})
    assert all((parameter == 0.5).all() for name, parameter in ours.named_parameters() if name.startswith("aux"))
    x = pictures(64)
    assert_close(ours(x), theirs(x))


def test_one_side_head_may_be_left_out_but_not_half_of_it():
    _, state = published("torchvision", "googlenet")
    ours = empty("googlenet", 64)
    load_weights(ours, "googlenet", {key: tensor for key, tensor in state.items() if not key.startswith("aux1")})
    assert torch.equal(ours.aux2.fc2.weight, state["aux2.fc2.weight"]) and ours.aux1.fc2.weight.isnan().all()
    told = refused(ours, {key: tensor for key, tensor in state.items() if key != "aux1.fc2.bias"}, "googlenet")
    assert "the weights lack aux1.fc2.bias, which aux1.fc2.bias is filled from" in told


@torch.no_grad()
def test_counts_of_batches_may_be_left_out():
    """State dicts from before torch 0.4.1 have none."""
    theirs, state = published("torchvision", "resnet-18")
    ours = empty("resnet-18", 64)
    load_weights(ours, "resnet-18", {key: tensor for key, tensor in state.items() if not key.endswith("tracked")})
    assert ours.bn1.num_batches_tracked == 0
    x = pictures(64)
    assert_close(ours(x), theirs(x))
    load_weights(ours, "resnet-18", state)
    assert ours.bn1.num_batches_tracked == state["bn1.num_batches_tracked"]


# What is refused


def refused(network, weights, name="squeezenet-1.1", origin=None, error=ModelFileError):
    """What is said, once the network is seen to be as it was, bit for bit."""
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with pytest.raises(error) as caught:
        load_weights(network, name, weights, origin)
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor.flatten().view(torch.uint8), before[key].flatten().view(torch.uint8)), key
    return str(caught.value)


def changed(**tensors):
    return {**squeezed(), **{key.replace("__", "."): tensor for key, tensor in tensors.items()}}


@pytest.fixture(scope="module")
def network():
    """SqueezeNet 1.1 as torch starts it."""
    return build(parse(NETWORKS["squeezenet-1.1"].text))


def test_a_missing_key_is_refused(network):
    for key in squeezed():
        told = refused(network, {other: tensor for other, tensor in squeezed().items() if other != key})
        assert f"the weights lack {key}, which " in told
    assert "which conv2.bias is filled from" in refused(
        network, {key: tensor for key, tensor in squeezed().items() if key != "classifier.1.bias"}
    )


def test_an_unknown_key_is_refused_with_one_like_it(network):
    told = refused(network, changed(features__3__squeze__weight=torch.zeros(16, 64, 1, 1)))
    assert "the weights have features.3.squeze.weight, for which the network has no place" in told
    assert "expected  keys such as features.3.squeeze.weight" in told
    told = refused(network, changed(features__0__running_mean=torch.zeros(64)))
    assert (
        "the weights have features.0.running_mean, for which" in told and "such as features.0.running_mean" not in told
    )
    assert "keys such as features.0.weight" in refused(network, {"": torch.zeros(1)})


def test_another_shape_is_refused(network):
    told = refused(network, changed(features__0__weight=torch.zeros(64, 1, 3, 3)))
    assert "features.0.weight has another shape than conv1.weight" in told
    assert "expected  64 x 3 x 3 x 3" in told and "got       64 x 1 x 3 x 3" in told
    seven = build(complete(parse(NETWORKS["squeezenet-1.1"].text), classes=7))
    told = refused(seven, squeezed())
    assert "classifier.1.weight has another shape than conv2.weight" in told
    assert "got       1000 x 512 x 1 x 1" in told
    assert "build the network with the weights' number of classes and input depth" in told


@pytest.mark.filterwarnings("ignore:.*quantiz:UserWarning")
@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda: torch.zeros(64, 3, 3, 3, dtype=torch.int8), "int8"),
        (lambda: torch.zeros(64, 3, 3, 3, dtype=torch.complex64), "complex64"),
        (lambda: torch.zeros(64, 3, 3, 3, device="meta"), "sparse, quantised or without data"),
        (lambda: torch.zeros(64, 3, 3, 3).to_sparse(), "sparse, quantised or without data"),
        (lambda: torch.quantize_per_tensor(torch.zeros(64, 3, 3, 3), 0.1, 0, torch.qint8), "qint8"),
    ],
)
def test_what_are_no_plain_numbers_is_refused(network, make, got):
    told = refused(network, changed(features__0__weight=make()))
    assert "features.0.weight holds no plain numbers" in told and got in told


def test_the_weights_of_another_network_are_refused(network):
    _, other = published("torchvision", "squeezenet-1.0")
    assert "features.0.weight has another shape than conv1.weight" in refused(network, other)
    resnet = build(parse(NETWORKS["resnet-20"].text))
    told = refused(resnet, squeezed(), "resnet-20")
    assert "the weights have features.0.weight, for which the network has no place" in told
    assert "take the weights of the same network, or name their origin" in told
    told = refused(resnet, squeezed())  # and a network that is not the one it is said to be
    assert "for which the network has no place" in told or "has another shape than" in told


def test_an_unknown_origin_or_network_is_refused_with_the_nearest(network):
    told = refused(network, squeezed(), origin="torchvison", error=SettingError)
    assert "no key map for squeezenet-1.1 from torchvison" in told and "did you mean torchvision?" in told
    assert "from timm" in refused(network, squeezed(), origin="timm", error=SettingError)
    told = refused(network, squeezed(), "squeezenet-1.2", error=SettingError)
    assert "no key map for squeezenet-1.2" in told and "did you mean squeezenet-1" in told
    told = refused(network, squeezed(), "lenet-5", error=SettingError)
    assert "no key map for lenet-5" in told and "vgg-11" in told
    assert "did you mean" not in told  # there is such a network, and no published weights


class Runs:
    """Told to be unpickled by making a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("kind", ["zip", "old"])
def test_a_file_that_would_run_code_is_refused_and_runs_nothing(network, tmp_path, kind):
    made = tmp_path / "made-by-code"
    torch.save({**squeezed(), "more": Runs(made)}, tmp_path / "w.pth", _use_new_zipfile_serialization=kind == "zip")
    told = refused(network, tmp_path / "w.pth")
    assert f"{tmp_path / 'w.pth'} cannot be read as weights" in told
    assert "a state dict of tensors, and nothing that would be run" in told
    assert "objects that are not tensors, or code" in told and "trust" not in told
    assert not made.exists()


def test_a_whole_saved_network_is_refused(network, tmp_path):
    torch.save(nn.Linear(2, 3), tmp_path / "w.pth")
    assert "objects that are not tensors, or code" in refused(network, tmp_path / "w.pth")


@pytest.mark.parametrize("held", [[1, 2], {"epoch": 3}, {"state_dict": 3}, {1: torch.zeros(2)}, torch.zeros(3)])
def test_a_file_that_is_no_state_dict_is_refused(network, tmp_path, held):
    torch.save(held, tmp_path / "w.pth")
    told = refused(network, tmp_path / "w.pth")
    assert f"{tmp_path / 'w.pth'} holds no state dict" in told and "tensors by name" in told


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("kind", ["pth", "th", "safetensors"])
def test_a_truncated_file_is_refused(network, tmp_path, kind, share):
    path = tmp_path / f"w.{kind}"
    if kind == "safetensors":
        save_file(squeezed(), path)
    else:
        torch.save(squeezed(), path, _use_new_zipfile_serialization=kind == "pth")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert f"{path} cannot be read as weights" in refused(network, path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_missing_file_or_a_folder_is_refused(network, tmp_path, name):
    told = refused(network, tmp_path / name)
    assert f"no weights at {tmp_path / name}" in told and "a .safetensors or .pth file" in told
    (tmp_path / name).mkdir()
    assert "cannot be read as weights" in refused(network, tmp_path / name)


# Real weights on real pictures


def photos():
    """(N, 3, 224, 224) and the N classes of the samples, prepared as their README says."""
    folder = shared("data", "imagenet-samples")
    with open(folder / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    prepared = []
    for row in rows:
        picture = Image.open(folder / row["file"]).convert("RGB")
        by = 256 / min(picture.size)
        width, height = (round(side * by) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        left, top = (width - 224) // 2, (height - 224) // 2
        cropped = picture.crop((left, top, left + 224, top + 224))
        pixels = torch.frombuffer(bytearray(cropped.tobytes()), dtype=torch.uint8).view(224, 224, 3) / 255
        prepared.append(((pixels - mean) / std).permute(2, 0, 1))
    return torch.stack(prepared), torch.tensor([int(row["class_index"]) for row in rows])


@pytest.fixture(scope="module")
def samples():
    return photos()


@torch.no_grad()
def scores(network, pictures, batch=25):
    return torch.cat([network(part) for part in pictures.split(batch)])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "file", "right"),
    [
        ("mobilenet-v2", "mobilenet_v2_from_int8_fp16.pth", 42),
        ("squeezenet-1.0", "squeezenet1_0_deepcompression_fp16.pth", 31),
        ("squeezenet-1.1", "squeezenet1_1_deepscale_fp16.pth", 32),
    ],
)
def test_real_weights_call_fifty_photos_what_torchvision_calls_them(samples, name, file, right):
    path = shared("weights", file)
    x, labels = samples
    theirs = judge("torchvision", name)
    held = torch.load(path, map_location="cpu", weights_only=True)
    theirs.load_state_dict({key: t.float() if t.is_floating_point() else t for key, t in held.items()}, assign=True)
    ours = empty(name)
    assert load_weights(ours, name, path) == "torchvision"
    own, other = scores(ours, x), scores(theirs, x)
    assert len(x) == 50
    assert_close(own, other)
    assert torch.equal(own.argmax(1), other.argmax(1))
    assert int((own.argmax(1) == labels).sum()) == int((other.argmax(1) == labels).sum()) == right


@pytest.mark.shared
def test_real_weights_call_a_thousand_small_pictures_what_their_own_network_calls_them():
    path = shared("weights", "resnet20-12fca82f.th")
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    prepared, labels = [], []
    with zipfile.ZipFile(shared("data", "cifar10-jpeg.zip")) as archive:
        names = sorted(name for name in archive.namelist() if "test/" in name and name.endswith(".jpg"))
        classes = sorted({name.split("/")[-2] for name in names})
        for label, wanted in enumerate(classes):
            for name in [name for name in names if name.split("/")[-2] == wanted][:100]:
                pixels = bytearray(Image.open(io.BytesIO(archive.read(name))).convert("RGB").tobytes())
                picture = torch.frombuffer(pixels, dtype=torch.uint8).view(32, 32, 3) / 255
                prepared.append(((picture - mean) / std).permute(2, 0, 1))
                labels.append(label)
    x, truth = torch.stack(prepared), torch.tensor(labels)
    assert len(x) == 1000 and classes[0] == "airplane"
    theirs = on_meta(lambda: CifarResNet(3)).eval()
    held = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    theirs.load_state_dict({key.removeprefix("module."): tensor for key, tensor in held.items()}, assign=True)
    ours = empty("resnet-20")
    assert load_weights(ours, "resnet-20", path) == "pytorch_resnet_cifar10"
    own, other = scores(ours, x, 100), scores(theirs, x, 100)
    assert_close(own, other)
    assert torch.equal(own.argmax(1), other.argmax(1))
    assert (own.argmax(1) == truth).double().mean().item() == pytest.approx(0.804, abs=0.005)


def test_a_state_dict_is_read_as_it_is(tmp_path):
    torch.save({"a.weight": torch.arange(3.0)}, tmp_path / "w.pth")
    assert torch.equal(read_state(tmp_path / "w.pth")["a.weight"], torch.tensor([0.0, 1.0, 2.0]))
