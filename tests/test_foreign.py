"""Networks of torchvision and timm: their classifier and stages found, judged by what they are known to be."""

import sys

import pytest
import timm
import torch
import torchvision.models as tv
from torch import nn

from torchbeam.design.volume import Volume
from torchbeam.errors import DesignError, ModelFileError, SettingError
from torchbeam.network.foreign import address_of, fill, foreign, is_foreign, without_classifier

X = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def resnet():
    return foreign("timm/resnet18")


def told(found):
    return [f"{stage.name} {stage.layer} {stage.volume}" for stage in found.stages]


def test_a_resnet_of_timm_has_the_papers_stages_and_timm_s_own_preparation(resnet):
    assert told(resnet) == [
        "stem act1 112x112x64",
        "stage1 layer1 56x56x64",
        "stage2 layer2 28x28x128",
        "stage3 layer3 14x14x256",
        "stage4 layer4 7x7x512",
        "codes fc 1x1x512",
    ]
    own, other = resnet.published, timm.get_pretrained_cfg("resnet18")
    assert (own.url, own.mean, own.std, own.interpolation) == (other.url, other.mean, other.std, other.interpolation)
    assert (own.size, own.resize, own.classes) == (224, int(224 / other.crop_pct), 1000)
    assert own.parameters == 11_689_512 and own.macs == 1_814_073_344 and own.licence == "apache-2.0"
    assert resnet.classes == 1000 and resnet.input == Volume(3, 224, 224) and not resnet.network.training


@torch.no_grad()
def test_without_its_classifier_a_network_gives_its_codes(resnet):
    x = X[:, :, :64, :64]
    codes = without_classifier(resnet.network, resnet.classifier)(x)
    assert torch.equal(resnet.network.fc(codes), resnet.network(x))
    assert torch.equal(codes, resnet.network.forward_head(resnet.network.forward_features(x), pre_logits=True))
    assert isinstance(resnet.network.fc, nn.Linear)


def test_an_efficientnet_of_torchvision_is_told_by_its_own_meta():
    found = foreign("torchvision/efficientnet_b0")
    own, other = found.published, tv.EfficientNet_B0_Weights.DEFAULT
    assert told(found) == [
        "stem features.1 112x112x16",
        "stage1 features.2 56x56x24",
        "stage2 features.3 28x28x40",
        "stage3 features.5 14x14x112",
        "stage4 features 7x7x1280",
        "codes classifier.1 1x1x1280",
    ]
    assert own.url == other.url and own.sha256_prefix == "7f5810bc"
    assert (own.resize, own.size, own.interpolation) == (256, 224, "bicubic")
    assert own.top1 == pytest.approx(other.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100)
    assert own.parameters == other.meta["num_params"] and own.licence == "BSD-3-Clause"
    assert round(own.macs / 1e9, 2) == pytest.approx(other.meta["_ops"], abs=0.011)


def test_maps_with_channels_last_and_tokens_are_told_apart():
    swin = foreign("timm/swin_s3_tiny_224")
    assert [line.split()[2] for line in told(swin)] == ["56x56x96", "28x28x192", "14x14x384", "7x7x768", "1x1x768"]
    vit = foreign("timm/vit_tiny_patch16_224")
    assert told(vit)[-1] == "codes head 1x1x192"


def test_a_conv_that_classifies_has_the_average_before_it_for_codes():
    found = foreign("torchvision/squeezenet1_1", size=96)
    assert told(found)[-1] == "codes classifier.1 1x1x512"
    assert without_classifier(found.network, found.classifier)(X[:, :, :96, :96]).shape == (2, 512)


def test_weights_and_classes_can_be_chosen():
    found = foreign("torchvision/resnet18.IMAGENET1K_V1", size=64, classes=7)
    assert found.classes == 7 and found.published.classes == 1000 and found.stages[-2].volume == Volume(512, 2, 2)
    with pytest.raises(SettingError, match="torchvision has no weights V7 for resnet18") as caught:
        foreign("torchvision/resnet18.V7")
    assert caught.value.expected == "IMAGENET1K_V1, DEFAULT"


def test_torchvision_s_inceptions_bring_the_pictures_where_they_were_trained_themselves():
    with torch.no_grad():
        found = foreign("torchvision/googlenet")
    assert found.network.transform_input and found.published.mean == (0.485, 0.456, 0.406)


def test_unknown_names_are_answered_with_the_nearest():
    assert is_foreign("Torchvision/resnet18") and not is_foreign("resnet18") and not is_foreign("hub/resnet18")
    with pytest.raises(SettingError, match="torchvision has no network resnett18") as caught:
        foreign("torchvision/resnett18")
    assert caught.value.remedy == "did you mean resnet18?"
    with pytest.raises(SettingError, match="timm has no network resnet18x") as caught:
        foreign("timm/resnet18x")
    with pytest.raises(SettingError, match=r"timm has no network resnet18\.nothing"):
        foreign("timm/resnet18.nothing")


def test_without_timm_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SettingError, match="timm's networks need the package timm") as caught:
        foreign("timm/resnet18")
    assert caught.value.remedy == "pip install torchbeam[timm]"


def test_pictures_too_small_are_answered_with_the_smallest_that_will_do():
    with pytest.raises(DesignError, match="torchvision/squeezenet1_1 does not run on pictures of 12x12") as caught:
        foreign("torchvision/squeezenet1_1", size=12)
    assert caught.value.expected == "17 pixels or more"
    network = tv.squeezenet1_1(weights=None).eval()
    assert network(X[:, :, :17, :17]).shape == (2, 1000)
    with pytest.raises(RuntimeError):
        network(X[:, :, :16, :16])


class Hidden(nn.Module):
    """Its last layer is hidden in a function."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5, 3))
        self.pretrained_cfg = timm.create_model("test_byobnet").pretrained_cfg | {"input_size": (3, 32, 32)}

    def forward(self, x):
        return nn.functional.linear(x.mean((2, 3)), self.weight)


def test_a_network_whose_classifier_is_no_submodule_is_told(monkeypatch):
    made = Hidden()
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: made)
    with pytest.raises(DesignError, match="the classifier of timm/test_byobnet cannot be found") as caught:
        foreign("timm/test_byobnet")
    assert caught.value.got == "linear"


def test_weights_are_put_in_whole_or_not_at_all(resnet):
    state = {key: torch.full_like(tensor, 2) for key, tensor in resnet.network.state_dict().items()}
    before = {key: tensor.clone() for key, tensor in resnet.network.state_dict().items()}
    wrong = {
        "the weights have fc.wait, for which the network has no place": state | {"fc.wait": torch.zeros(1)},
        "fc.weight has another shape than the network's": state | {"fc.weight": torch.zeros(10, 512)},
        "the weights lack fc.bias": {key: tensor for key, tensor in state.items() if key != "fc.bias"},
        "fc.bias holds no plain numbers": state | {"fc.bias": torch.zeros(1000, dtype=torch.int64)},
    }
    for message, other in wrong.items():
        with pytest.raises(ModelFileError, match=message) as caught:
            fill(resnet.network, other)
        assert "10 x 512" in caught.value.got or "shape" not in message
    assert all(torch.equal(tensor, before[key]) for key, tensor in resnet.network.state_dict().items())
    halved = {key: t.half() if t.is_floating_point() else t for key, t in state.items() if "num_batches" not in key}
    fill(resnet.network, halved)
    assert all((t == 2).all() for key, t in resnet.network.state_dict().items() if "num_batches" not in key)
    fill(resnet.network, before)


def test_a_file_that_torchvision_does_not_publish_has_no_address():
    with pytest.raises(SettingError, match=r"this torchvision publishes no resnet18-00000000\.pth"):
        address_of("resnet18-00000000.pth")
