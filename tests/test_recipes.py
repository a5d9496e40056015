import pytest

from torchbeam.data.augment.words import parse_augment
from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.errors import SettingError
from torchbeam.jobs.tuning import NAMES, Tuning, check_tuning
from torchbeam.recipes import RECIPES, recipe_of

INPUTS = {"mnist": Volume(1, 28, 28), "fashion-mnist": Volume(1, 28, 28), "cifar10": Volume(3, 32, 32)}
SETTINGS = {*NAMES, "net", "epochs", "batch_size", "lr", "augment", "size"}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_only_what_a_run_can_be_told(name):
    told = RECIPES[name].settings
    assert set(told) <= SETTINGS
    check_tuning(Tuning(**{key: value for key, value in told.items() if key in NAMES}))
    parse_augment(told.get("augment", "none"))
    if "net" in told:
        assert ledger(complete(parse(told["net"]), INPUTS[name], 10)).output.neurons == 10


@pytest.mark.parametrize("name", RECIPES)
def test_a_claim_has_a_figure_for_each_seed(name):
    claim = RECIPES[name].claim
    if claim is not None:
        assert f"--recipe {name}" in claim.command
        assert len(claim.accuracies) == len(claim.seconds) >= 3


def test_names_ignore_case_and_dashes():
    assert recipe_of("M-Nist") is RECIPES["mnist"]


def test_one_that_is_not_there_is_told_with_the_nearest():
    with pytest.raises(SettingError, match="no recipe minst") as caught:
        recipe_of("minst")
    assert "mnist" in str(caught.value)
