"""torchbeam describe"""

from pathlib import Path
from typing import Annotated, cast

import typer

import torchbeam
from torchbeam.cli.say import say
from torchbeam.design.volume import Fit
from torchbeam.errors import SettingError
from torchbeam.jobs.cheatsheet import cheatsheet
from torchbeam.jobs.compare import compare
from torchbeam.jobs.describe import Description


def run(
    nets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NET...", help="notation, a file that holds it, or a named network; several are set side by side"
        ),
    ] = None,
    input: Annotated[
        str | None,
        typer.Option(metavar="WxHxD", help="the size of the input [the text's, else 32x32x3]", show_default=False),
    ] = None,
    classes: Annotated[
        int | None, typer.Option(metavar="N", help="units of the last bare FC [10]", show_default=False)
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(metavar="error|crop|pad", help="what to do where a window does not fit", show_default=False),
    ] = None,
    explain: Annotated[
        str | None, typer.Option(metavar="LAYER", help="the sums behind one layer's numbers", show_default=False)
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(metavar="8GB", help="tell the largest batch that can be trained in it", show_default=False),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw the volumes into an SVG file", show_default=False)
    ] = None,
    activations: Annotated[bool, typer.Option("--activations", help="draw the cheat sheet of activations")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit 1 where a sizing rule is not kept")] = False,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Size a network, layer by layer.

    \b
    torchbeam describe "INPUT 32x32x3 -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> FC"
    torchbeam describe alexnet-2012 --explain conv1
    torchbeam describe vgg-16 resnet-50 --memory 8GB
    torchbeam describe googlenet --svg googlenet.svg
    torchbeam describe --activations
    """
    names = list(nets or [])
    if activations:
        if names:
            raise SettingError("--activations describes no network", got=names[0], remedy="leave the network out")
        say(cheatsheet(svg), json)
        return
    if not names:
        raise SettingError(
            "no network to describe", expected="one or more", remedy="torchbeam zoo lists the named ones"
        )
    if len(names) > 1 and (explain is not None or svg is not None):
        raise SettingError("--explain and --svg take one network", got=f"{len(names)}")
    told = [
        torchbeam.describe(net, input=input, classes=classes, fit=cast(Fit | None, fit), memory=memory) for net in names
    ]
    if svg is not None:
        told[0].to_svg(svg, names[0] if len(names[0]) <= 40 else "network")
    say(_shown(names, told, explain), json)
    if strict and any(one.findings for one in told):
        raise typer.Exit(1)


def _shown(names: list[str], told: list[Description], explain: str | None) -> object:
    if len(told) > 1:
        return compare(tuple(names), tuple(told))
    return told[0] if explain is None else told[0].explain(explain)
