"""cifar10: the ten kinds of Krizhevsky 2009."""

from torchbeam.recipes.recipe import Recipe

RECIPE = Recipe(
    name="cifar10",
    about="the ten kinds of Krizhevsky 2009",
    settings={},
)
