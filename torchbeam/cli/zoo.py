"""torchbeam zoo"""

from typing import Annotated

import typer

import torchbeam
from torchbeam.cli.say import say


def run(json: Annotated[bool, typer.Option("--json", help="print one JSON document, a list")] = False) -> None:
    """List the named networks: year, parameters, multiply-accumulates, depth, what a neuron sees.

    \b
    torchbeam zoo --json
    torchbeam describe vgg-16
    """
    say(torchbeam.zoo(), json)
