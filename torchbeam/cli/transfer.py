"""torchbeam transfer"""

from pathlib import Path
from typing import Annotated

import typer

import torchbeam
from torchbeam.cli.say import say


def run(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="a folder, archive or list of pictures, or a name such as mnist")
    ],
    backbone: Annotated[
        str | None,
        typer.Option(
            help="a network of the zoo, a model file or a run folder [the best that takes about a minute]",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="a file of its weights [fetched once, where published]", show_default=False)
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(help="auto, codes, stage, finetune or scratch [auto: chosen by measuring]", show_default=False),
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(help="stem, stage1, ...: read by the head, or learnt from there on", show_default=False),
    ] = None,
    keep_worse: Annotated[
        bool, typer.Option("--keep-worse", help="keep the mode named even where a linear head does better")
    ] = False,
    size: Annotated[
        str | None, typer.Option(metavar="W[xH]", help="pixels that the backbone takes [its own]", show_default=False)
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="rounds of fine-tuning", show_default=False)] = None,
    time: Annotated[
        str | None, typer.Option(help="as in 60s, 5m: the whole run's, in place of --epochs", show_default=False)
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="pictures in one step", show_default=False)] = None,
    lr: Annotated[float | None, typer.Option(help="the highest learning rate", show_default=False)] = None,
    augment: Annotated[
        str | None, typer.Option(help='of fine-tuning, as in "flip, crop 4", or none', show_default=False)
    ] = None,
    optimiser: Annotated[str | None, typer.Option(help="sgd, adamw or muon [sgd]", show_default=False)] = None,
    seed: Annotated[
        int | None, typer.Option(help="decides folds, order and augmentation [0]", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="a new folder for the run [runs/NAME-N]", show_default=False)] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps", show_default=False)] = None,
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
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document on stdout")] = False,
) -> None:
    """Carry a pretrained network over to your pictures, by the strategy that measuring favours.

    torchbeam transfer photos/ --backbone mobilenet-v2
    torchbeam transfer photos/ --backbone runs/photos-1 --mode finetune
    """
    transferred = torchbeam.transfer(
        data,
        backbone=backbone,
        weights=weights,
        mode=mode,
        stage=stage,
        keep_worse=keep_worse,
        size=size,
        epochs=epochs,
        time=time,
        batch_size=batch_size,
        lr=lr,
        augment=augment,
        optimiser=optimiser,
        seed=seed,
        out=out,
        device=device,
        workers=workers,
        exclude=exclude,
        group_by=group_by,
        split=split,
        cache=cache,
        cache_size=cache_size,
    )
    say(transferred, as_json)
