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
    recipe: Annotated[
        str | None,
        typer.Option(help="settings tried together on one data set: mnist, fashion-mnist, cifar10", show_default=False),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="as in 60s, 5m, 2h: the whole run's, in place of --epochs", show_default=False)
    ] = None,
    optimiser: Annotated[str | None, typer.Option(help="sgd, adamw or muon [sgd]", show_default=False)] = None,
    momentum: Annotated[float | None, typer.Option(help="of SGD and Muon [0.9]", show_default=False)] = None,
    weight_decay: Annotated[float | None, typer.Option(help="pull on the weights [0.0005]", show_default=False)] = None,
    schedule: Annotated[
        str | None, typer.Option(help="after the warm-up: cosine, line or constant [cosine]", show_default=False)
    ] = None,
    warm_up: Annotated[
        float | None, typer.Option(help="the share of the run that leads up to the rate [0.1]", show_default=False)
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(help="the share of a target spread over all classes [0.1]", show_default=False)
    ] = None,
    clip: Annotated[float | None, typer.Option(help="the gradient's largest norm [any]", show_default=False)] = None,
    accumulate: Annotated[int | None, typer.Option(help="batches to an update [1]", show_default=False)] = None,
    ema: Annotated[
        float | None, typer.Option(help="average the weights, keeping this share a step, as 0.999", show_default=False)
    ] = None,
    lookahead: Annotated[
        int | None, typer.Option(help="average the weights every so many steps", show_default=False)
    ] = None,
    class_weights: Annotated[
        str | None,
        typer.Option(help="auto, none, root or balanced: how rare classes count [auto]", show_default=False),
    ] = None,
    init: Annotated[str | None, typer.Option(help="he or dirac [he]", show_default=False)] = None,
    whiten: Annotated[
        bool | None, typer.Option("--whiten/--no-whiten", help="the first layer whitens patches", show_default=False)
    ] = None,
    views: Annotated[
        str | None,
        typer.Option(help="none, mirror or shift: whose scores are averaged in use [none]", show_default=False),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto, fp32, bf16 or fp16 [auto: the fastest, measured]", show_default=False)
    ] = None,
    compile: Annotated[
        bool | None,
        typer.Option("--compile/--no-compile", help="by torch.compile [where it pays, measured]", show_default=False),
    ] = None,
    state_every: Annotated[
        str | None, typer.Option(help="between two states on disk, for resume [15s]", show_default=False)
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="write event files into RUN/tensorboard at the end")
    ] = False,
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
        recipe=recipe,
        time=time,
        optimiser=optimiser,
        momentum=momentum,
        weight_decay=weight_decay,
        schedule=schedule,
        warm_up=warm_up,
        label_smoothing=label_smoothing,
        clip=clip,
        accumulate=accumulate,
        ema=ema,
        lookahead=lookahead,
        class_weights=class_weights,
        init=init,
        whiten=whiten,
        views=views,
        precision=precision,
        compile=compile,
        state_every=state_every,
        tensorboard=tensorboard,
    )
    say(trained, json)
