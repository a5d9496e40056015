import pytest

from torchbeam.data.augment.words import parse_augment
from torchbeam.design.complete import complete
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import parse
from torchbeam.errors import SettingError
from torchbeam.jobs.tuning import NAMES, Tuning, check_tuning
from torchbeam.recipes import RECIPES, recipe_of

SETTINGS = {*NAMES, "net", "epochs", "batch_size", "lr", "augment", "size"}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_only_what_a_run_can_be_told(name):
    told = RECIPES[name].settings
    assert set(told) <= SETTINGS
    check_tuning(Tuning(**{key: value for key, value in told.items() if key in NAMES}))
    parse_augment(told.get("augment", "none"))
    if "net" in told:
        assert ledger(complete(parse(told["net"]), classes=10)).output.neurons == 10


@pytest.mark.parametrize("name", RECIPES)
def test_a_claim_has_a_figure_for_each_seed(name):
    claim = RECIPES[name].claim
    if claim is not None:
        assert f"--recipe {name}" in claim.command
        assert len(claim.accuracies) == len(claim.seconds) >= 3


def test_names_ignore_case_and_dashes():
    assert recipe_of("Fashion_MNIST") is RECIPES["fashion-mnist"]


def test_one_that_is_not_there_is_told_with_the_nearest():
    with pytest.raises(SettingError, match="no recipe cifar100") as caught:
        recipe_of("cifar100")
    assert "cifar10" in str(caught.value)
