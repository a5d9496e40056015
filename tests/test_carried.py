import pytest
import torch

import torchbeam
from torchbeam.data.preprocess import Preprocessing
from torchbeam.errors import SettingError
from torchbeam.jobs.backbone import load_backbone
from torchbeam.jobs.headed import headed
from torchbeam.jobs.predict import Model
from torchbeam.learn.heads import Head
from torchbeam.network.backbone import backbone_of
from torchbeam.network.carried import carried
from torchbeam.network.foreign import foreign

NAME, SIDE = "torchvision/mobilenet_v3_small", 64


def test_a_head_on_torchvisions_network_is_kept_in_a_model_file_and_read_back(tmp_path):
    torch.manual_seed(0)
    base = backbone_of(NAME, foreign(NAME).network.state_dict(), SIDE)
    width = base.stage("codes").volume.channels
    head = Head("softmax", 1.0, torch.randn(3, width), torch.zeros(3), None, None, 1.0, ())
    network, design = headed(base, "codes", "", head)
    pictures = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        assert torch.allclose(network(pictures), head.scores(base.features(pictures)["codes"]), atol=1e-4)
    sizing = Preprocessing(SIDE, SIDE, 3, (0.5,) * 3, (0.25,) * 3)
    torchbeam.save_model(
        Model(network, design, ("a", "b", "c"), sizing, {}, {}, backbone=NAME), tmp_path / "m.safetensors"
    )
    again = torchbeam.load_model(tmp_path / "m.safetensors")
    assert again.backbone == NAME
    with torch.no_grad():
        assert torch.equal(again.network.eval()(pictures), network(pictures))
    with pytest.raises(SettingError, match="is a head on torchvision/mobilenet_v3_small, which has no text"):
        load_backbone(str(tmp_path / "m.safetensors"))


def test_its_layers_are_called_by_what_they_are():
    network = carried(NAME, SIDE, torchbeam.parse("INPUT 1x1x1024 -> FC 2"))
    assert [name for name, _ in network.named_children()] == ["backbone", "head"]
    assert network(torch.zeros(1, 3, SIDE, SIDE)).shape == (1, 2)
