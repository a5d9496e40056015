"""Recipes: settings tried together on one data set, with what they came to beside them."""

from torchbeam.design.arguments import nearest
from torchbeam.errors import SettingError
from torchbeam.recipes import cifar10, fashion_mnist, mnist
from torchbeam.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {recipe.RECIPE.name: recipe.RECIPE for recipe in (mnist, fashion_mnist, cifar10)}


def recipe_of(name: str) -> Recipe:
    """The recipe of that name, which ignores case, - and _. Raises SettingError."""
    wanted = name.lower().replace("-", "").replace("_", "")
    for known, recipe in RECIPES.items():
        if known.replace("-", "") == wanted:
            return recipe
    raise SettingError(f"no recipe {name}", expected=", ".join(RECIPES), remedy=nearest(name, tuple(RECIPES)))
