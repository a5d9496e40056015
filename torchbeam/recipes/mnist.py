"""mnist: the handwritten digits of LeCun et al. 1998."""

from torchbeam.recipes.recipe import Recipe

RECIPE = Recipe(
    name="mnist",
    about="the handwritten digits of LeCun et al. 1998",
    settings={},
)
