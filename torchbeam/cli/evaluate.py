"""torchbeam evaluate"""

from pathlib import Path
from typing import Annotated

import typer

import torchbeam
from torchbeam.cli.say import say


def run(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="a model file, or the run folder that holds it")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled pictures, as for train")],
    part: Annotated[
        str,
        typer.Option(metavar="auto|all|train|val|test", help="which pictures; auto: the test part, or all"),
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps")] = "auto",
    cache: Annotated[
        Path | None, typer.Option(help="the folder for what can be made again [~/.cache/torchbeam]", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Measure a model file on labelled pictures; classes are matched by name.

    \b
    torchbeam evaluate runs/digits-1 digits
    torchbeam evaluate model.safetensors photos/ --part all
    """
    evaluated = torchbeam.evaluate(model, data, part=part, device=device, cache=cache)
    say(evaluated, json)
