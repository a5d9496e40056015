import pytest
import torch

from torchbeam.errors import SettingError
from torchbeam.learn import device


def test_auto_is_the_gpu_where_there_is_one():
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert device.choose("auto").type == expected
    assert device.choose("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cpu:0", "cuda:x", ""])
def test_an_unknown_device_is_refused_with_those_there_are(name):
    with pytest.raises(SettingError, match=r"no device .* on this machine") as caught:
        device.choose(name)
    assert "auto, cpu" in str(caught.value)
    assert "leave --device out" in str(caught.value)
