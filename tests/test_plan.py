import pytest

from torchbeam.errors import SettingError
from torchbeam.learn.plan import Plan


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"epochs": 0}, "epochs cannot be 0"),
        ({"batch_size": -1}, "batch size cannot be -1"),
        ({"seed": -1}, "seed cannot be -1"),
        ({"lr": 0.0}, "lr cannot be 0"),
        ({"lr": float("nan")}, "lr cannot be nan"),
        ({"momentum": 1.0}, "a run cannot have momentum 1, weight decay 0.0005, warm-up 0.1"),
        ({"weight_decay": -1.0}, "a run cannot have momentum 0.9, weight decay -1"),
        ({"warm_up": 0.0}, "warm-up 0"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(wrong, words):
    with pytest.raises(SettingError) as caught:
        Plan(**({"epochs": 1, "batch_size": 8, "lr": 0.1} | wrong))
    assert words in str(caught.value)
    assert "expected" in str(caught.value)
