"""torchbeam describe"""

from typing import Annotated, cast

import typer

import torchbeam
from torchbeam.cli.say import say
from torchbeam.design.volume import Fit


def run(
    net: Annotated[str, typer.Argument(metavar="NET", help="notation, a file that holds it, or a named network")],
    input: Annotated[
        str | None,
        typer.Option(metavar="WxHxD", help="the input where INPUT is bare [32x32x3]", show_default=False),
    ] = None,
    classes: Annotated[
        int | None, typer.Option(metavar="N", help="units of the last bare FC [10]", show_default=False)
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(metavar="error|crop|pad", help="what to do where a window does not fit", show_default=False),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit 1 where a sizing rule is not kept")] = False,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Size a network, layer by layer.

    \b
    torchbeam describe "INPUT 32x32x3 -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> FC"
    torchbeam describe lenet-5 --json
    """
    described = torchbeam.describe(net, input=input, classes=classes, fit=cast(Fit | None, fit))
    say(described, json)
    if strict and described.findings:
        raise typer.Exit(1)
