"""fashion-mnist: the pieces of clothing of Xiao, Rasul & Vollgraf 2017."""

from torchbeam.recipes.recipe import Claim, Recipe

RECIPE = Recipe(
    name="fashion-mnist",
    about="pieces of clothing, 28x28 grey",
    settings={
        "net": (
            "INPUT -> CONV 24 3x3 -> RELU "
            "-> CONV 48 3x3 bias no -> BN -> RELU -> CONV 48 3x3 bias no -> POOL -> BN -> RELU "
            "-> CONV 96 3x3 bias no -> BN -> RELU -> CONV 96 3x3 bias no -> POOL -> BN -> RELU "
            "-> CONV 192 3x3 bias no -> BN -> RELU -> CONV 192 3x3 bias no -> BN -> RELU "
            "-> POOL max 7x7 -> FC"
        ),
        "optimiser": "muon",
        "lr": 0.1,
        "batch_size": 250,
        "epochs": 7,
        "schedule": "line",
        "warm_up": 0.2,
        "label_smoothing": 0.1,
        "augment": "altflip, crop 2",
        "init": "dirac",
        "views": "mirror",
    },
    claim=Claim(
        command="torchbeam train fashion-mnist --recipe fashion-mnist --seed N",
        machine="Intel Xeon with AMX, 2 cores, torch 2.15, 2026-11-21",
        accuracies=(94.64, 94.61, 94.57),
        seconds=(302.3, 292.2, 286.5),
    ),
)
