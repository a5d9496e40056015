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
        ({"norms": "still"}, "no norms still"),
        ({"rates": (("stage1", -0.1),)}, "the share of the rate for stage1 cannot be -0.1"),
        ({"rates": (("stage1", float("nan")),)}, "the share of the rate for stage1 cannot be nan"),
        ({"rates": (("a", 0.1), ("a", 0.2))}, "a part is given its share of the rate twice"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(wrong, words):
    with pytest.raises(SettingError) as caught:
        Plan(**({"epochs": 1, "batch_size": 8, "lr": 0.1} | wrong))
    assert words in str(caught.value)
    assert "expected" in str(caught.value)


def test_a_weight_takes_the_share_of_the_longest_part_it_lies_in():
    plan = Plan(1, 8, 0.1, rates=(("stage1", 0.5), ("stage1.conv2", 0.0), ("conv1", 0.1), ("fc1.bias", 2.0)))
    found = {
        name: plan.share(name)
        for name in ("stage1.conv1.weight", "stage1.conv2.weight", "stage1.conv20.weight", "stage10.conv2.weight",
                     "conv1.weight", "conv10.weight", "fc1.weight", "fc1.bias", "stage1")
    }  # fmt: skip
    assert list(found.values()) == [0.5, 0.0, 0.5, 1.0, 0.1, 1.0, 1.0, 2.0, 0.5]
    assert Plan(1, 8, 0.1).share("anything") == 1
