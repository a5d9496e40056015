"""torchbeam data convert"""

from pathlib import Path
from typing import Annotated

import typer

import torchbeam
from torchbeam.cli.say import say


def run(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="a folder, archive or list of pictures, or a name such as shapes")
    ],
    to: Annotated[
        str, typer.Option(metavar="FORMAT", help="folder, csv, voc, coco, yolo, masks, mnist, cifar or stl10")
    ],
    out: Annotated[Path, typer.Option(help="a new or empty folder")],
    link: Annotated[bool, typer.Option("--link", help="hard-link the pictures instead of copying them")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="write nothing if the format cannot hold all there is")
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="the folder for what can be made again [~/.cache/torchbeam]", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print what was written and what was lost as JSON")] = False,
) -> None:
    """Write a data set in another format, and tell what that format cannot hold.

    \b
    torchbeam data convert shapes --to coco --out shapes-coco
    torchbeam data convert photos/ --to yolo --out photos-yolo --link --strict
    """
    say(torchbeam.convert(data, to, out, link=link, strict=strict, cache=cache), json)
