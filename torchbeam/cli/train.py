"""torchbeam train"""

from pathlib import Path
from typing import Annotated, cast

import typer

import torchbeam
from torchbeam.cli.say import say
from torchbeam.design.volume import Fit

NET = "notation, a file that holds it, or a named network [chosen by the pictures' size]"


def run(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="a folder, archive or list of pictures, or a name such as mnist")
    ],
    net: Annotated[str | None, typer.Option(help=NET, show_default=False)] = None,
    epochs: Annotated[int | None, typer.Option(help="rounds over the training part", show_default=False)] = None,
    batch_size: Annotated[int | None, typer.Option(help="pictures in one step", show_default=False)] = None,
    lr: Annotated[float | None, typer.Option(help="the highest learning rate", show_default=False)] = None,
    seed: Annotated[
        int | None, typer.Option(help="decides start, order and augmentation [0]", show_default=False)
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="W[xH[xD]]", help="pixels that the network takes", show_default=False),
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(metavar="error|crop|pad", help="what to do where a window does not fit", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="a new folder for the run [runs/NAME-N]", show_default=False)] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps", show_default=False)] = None,
    augment: Annotated[
        str | None,
        typer.Option(help='as in "flip, crop 4, rotate 10", or none [by the pictures]', show_default=False),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="threads that decode ahead [one a core]", show_default=False)
    ] = None,
    exclude: Annotated[
        Path | None, typer.Option(help="leave out what this list of torchbeam check names", show_default=False)
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(metavar="REGEX", help="keep pictures in one part whose paths match alike", show_default=False),
    ] = None,
    split: Annotated[
        Path | None, typer.Option(help="an earlier run's split.csv; no row of it moves", show_default=False)
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="the folder for what can be made again [~/.cache/torchbeam]", show_default=False)
    ] = None,
    cache_size: Annotated[
        str | None, typer.Option(help="the most it may hold of decoded pictures, or none [50 GB]", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print summary.json on stdout")] = False,
) -> None:
    """Train a classifier on pictures, and measure it on pictures it has not seen.

    \b
    torchbeam train digits
    torchbeam train photos/ --net "INPUT -> [CONV -> RELU -> POOL]*3 -> FC" --epochs 20
    """
    trained = torchbeam.train(
        data,
        net=net,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        seed=seed,
        size=size,
        fit=cast(Fit | None, fit),
        out=out,
        device=device,
        augment=augment,
        workers=workers,
        exclude=exclude,
        group_by=group_by,
        split=split,
        cache=cache,
        cache_size=cache_size,
    )
    say(trained, json)
