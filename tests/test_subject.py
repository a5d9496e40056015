"""A subject: a network and a picture, prepared as they are for prediction, and left as they were."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from data_makers import drawn, encoded
from look_makers import same_state, small, squares, state_of
from torch import nn

from torchbeam.data.preprocess import Preprocessing
from torchbeam.errors import PictureError, SettingError
from torchbeam.look.subject import DIGITS, looking, subject_of
from torchbeam.network.modelfile import tensors_digest

PREPARED = Preprocessing(12, 10, 3, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
GREY = Preprocessing(12, 10, 1, (0.5,), (0.25,))
NAMES = ("red", "green", "blue")


@dataclass
class Held:
    """A model as load_model gives it."""

    network: nn.Module
    preprocessing: Preprocessing
    classes: tuple[str, ...]


def bytes_of(picture) -> np.ndarray:
    return np.array(picture.convert("RGB"))


def test_a_picture_of_any_kind_is_prepared_alike(tmp_path):
    picture = drawn(3)
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(picture))
    network = small()
    expected = PREPARED.normalise(torch.from_numpy(PREPARED.pixels(picture)[None]))
    for given in (path, str(path), picture, bytes_of(picture)):
        subject = subject_of(network, given, preprocessing=PREPARED)
        assert torch.equal(subject.x_1CHW, expected)
        assert np.array_equal(subject.shown_HWC, PREPARED.pixels(picture).transpose(1, 2, 0))
        assert subject.picture == hashlib.sha256(expected.numpy().tobytes()).hexdigest()[:DIGITS]
        assert subject.weights == tensors_digest(network.state_dict())[:DIGITS]
        assert subject.of == f"weights {subject.weights}, picture {subject.picture}"


def test_a_model_brings_its_preprocessing_and_its_classes():
    model = Held(small(), PREPARED, NAMES)
    subject = subject_of(model, drawn(3))
    assert subject.network is model.network and subject.classes == NAMES
    assert subject.mean == PREPARED.mean and subject.std == PREPARED.std
    assert subject_of(model, drawn(3), classes=("a", "b", "c")).classes == ("a", "b", "c")
    assert subject_of(model, drawn(3), classes=("too", "few")).classes == ("0", "1", "2")


def test_a_grey_picture_is_shown_in_three_channels():
    network = nn.Sequential(nn.Flatten(), nn.Linear(120, 2))
    subject = subject_of(network, drawn(3), preprocessing=GREY)
    assert subject.x_1CHW.shape == (1, 1, 10, 12) and subject.shown_HWC.shape == (10, 12, 3)
    assert np.array_equal(subject.shown_HWC[..., 0], GREY.pixels(drawn(3))[0])
    torch.testing.assert_close(subject.normalised(subject.shown_HWC), subject.x_1CHW)


def test_a_tensor_is_taken_as_it_is_and_shown_from_darkest_to_brightest():
    x_NCHW, _, _ = squares(1, 0)
    subject = subject_of(small(), x_NCHW[0])
    assert torch.equal(subject.x_1CHW, x_NCHW)
    low, high = x_NCHW.min().item(), x_NCHW.max().item()
    expected = ((x_NCHW[0] - low) / (high - low) * 255).permute(1, 2, 0).numpy()
    assert np.abs(subject.shown_HWC - expected).max() <= 0.501
    torch.testing.assert_close(subject.normalised(subject.shown_HWC), x_NCHW, atol=(high - low) / 500, rtol=0)


def test_a_tensor_with_its_preprocessing_is_shown_as_the_picture_was():
    picture = drawn(3)
    x_1CHW = PREPARED.normalise(torch.from_numpy(PREPARED.pixels(picture)[None]))
    subject = subject_of(small(), x_1CHW, preprocessing=PREPARED)
    assert np.array_equal(subject.shown_HWC, PREPARED.pixels(picture).transpose(1, 2, 0))
    torch.testing.assert_close(subject.normalised(subject.shown_HWC), x_1CHW, atol=1e-5, rtol=0)


def test_scores_are_those_of_evaluation_and_leave_no_trace():
    network = small()
    network[1].train()
    network[0].eval()
    network[3].weight.grad = torch.ones_like(network[3].weight)
    before = state_of(network)
    x_NCHW, _, _ = squares(1, 0)
    subject = subject_of(network, x_NCHW)
    scores = subject.scores()
    assert same_state(before, state_of(network))
    with torch.no_grad():
        torch.testing.assert_close(scores, network.eval()(x_NCHW)[0])


def test_looking_gives_modes_and_gradients_back_also_after_an_error():
    network = small()
    network[1].eval()
    network[3].weight.grad = torch.ones_like(network[3].weight)
    before = state_of(network)
    with pytest.raises(RuntimeError, match="within"), looking(network):
        assert not any(module.training for module in network.modules())
        network(squares(2, 0)[0]).sum().backward()
        raise RuntimeError("within")
    after = state_of(network)
    assert after[1] == before[1]
    assert all(one is other for one, other in zip(after[2], before[2], strict=True))


def test_a_class_is_found_by_name_or_number():
    subject = subject_of(small(), squares(1, 0)[0], classes=NAMES)
    assert [subject.label(each) for each in ("green", 2, "0")] == [1, 2, 0]
    assert subject.label(None) == int(subject.scores().argmax())
    for wrong in ("gren", "7", 3, -1):
        with pytest.raises(SettingError, match=f"no class '{wrong}'") as told:
            subject.label(wrong)
        assert "one of 3: red, green" in told.value.expected
    with pytest.raises(SettingError, match="no class 'gren'") as told:
        subject.label("gren")
    assert "green?" in told.value.remedy


def test_mistakes_are_told(tmp_path):
    with pytest.raises(SettingError, match="cannot look into a str") as told:
        subject_of("resnet-18", drawn(3))  # type: ignore[arg-type]
    assert "a torch module or a torchbeam model" in told.value.expected
    with pytest.raises(SettingError, match="a picture cannot be prepared for a bare network"):
        subject_of(small(), drawn(3))
    for wrong in (torch.zeros(2, 3, 8, 8), torch.zeros(8, 8), torch.zeros(3, 8, 8, dtype=torch.uint8)):
        with pytest.raises(SettingError, match="the tensor is no picture") as told:
            subject_of(small(), wrong)
    assert told.value.got == "3 x 8 x 8 of uint8"
    (tmp_path / "torn.png").write_bytes(encoded(drawn(3))[:60])
    with pytest.raises(PictureError):
        subject_of(small(), tmp_path / "torn.png", preprocessing=PREPARED)
