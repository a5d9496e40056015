"""torchbeam check"""

from pathlib import Path
from typing import Annotated

import typer

import torchbeam
from torchbeam.cli.say import say


def run(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="a folder, archive or list of pictures, or a name such as mnist")
    ],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw the pictures in question on a page", show_default=False)
    ] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="list what is better left out, for train --exclude", show_default=False),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit 1 where there is an error or a warning")] = False,
    cache: Annotated[
        Path | None, typer.Option(help="the folder for what can be made again [~/.cache/torchbeam]", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Look for what is wrong with pictures and labels; nothing there is changed.

    \b
    torchbeam check photos/
    torchbeam check photos/ --html photos.html --exclude leave-out.csv
    torchbeam train photos/ --exclude leave-out.csv
    """
    checked = torchbeam.check_data(data, html=html, exclude=exclude, cache=cache)
    say(checked, json)
    if strict and not checked.clean:
        raise typer.Exit(1)
