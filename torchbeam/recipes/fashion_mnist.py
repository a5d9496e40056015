"""fashion-mnist: the clothes of Xiao et al. 2017."""

from torchbeam.recipes.recipe import Recipe

RECIPE = Recipe(
    name="fashion-mnist",
    about="the clothes of Xiao et al. 2017",
    settings={},
)
