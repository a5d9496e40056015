"""torchbeam predict"""

import sys
from pathlib import Path
from typing import Annotated

import typer

import torchbeam
from torchbeam.cli.say import say


def run(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="a model file, or the run folder that holds it")],
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURES...", help="pictures, or folders of them")],
    top: Annotated[int, typer.Option(help="how many of the likeliest classes --json lists")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Say what pictures show: class, probability and path, a line each.

    \b
    torchbeam predict runs/photos-1 new/ cat.jpg
    torchbeam predict model.safetensors cat.jpg --json
    """
    predicted = torchbeam.predict(model, list(pictures), top=top, device=device)
    for bad in predicted.skipped:
        print(f"skipped: {bad.reason}", file=sys.stderr)
    say(predicted, json)
    if predicted.skipped and not predicted.pictures:
        raise typer.Exit(2)
