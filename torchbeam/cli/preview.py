"""torchbeam data preview"""

from pathlib import Path
from typing import Annotated

import typer

import torchbeam
from torchbeam.cli.say import say


def run(
    data: Annotated[str, typer.Argument(metavar="DATA", help="pictures, as for train")],
    augment: Annotated[
        str | None,
        typer.Option(metavar="WORDS", help="as 'flip, crop 4', or none [chosen by the pictures]", show_default=False),
    ] = None,
    pictures: Annotated[int, typer.Option(metavar="N", help="how many pictures, a row each")] = 4,
    variants: Annotated[int, typer.Option(metavar="N", help="how many epochs of each")] = 6,
    size: Annotated[
        str | None,
        typer.Option(metavar="W[xH]", help="pixels that the network takes [the pictures' own]", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="the sheet")] = Path("preview.png"),
    seed: Annotated[int, typer.Option(metavar="N", help="that of the run to come")] = 0,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Draw what augmentation makes of a few pictures, their boxes and masks, into one PNG.

    \b
    torchbeam data preview photos/
    torchbeam data preview photos/ --augment "flip, crop 4, rotate 10, color 0.2" --size 64 --out sheet.png
    The words: resizedcrop 0.08:1, flip, altflip, vflip, crop 4, shift 0.1, rotate 10, scale 0.1, color 0.2, hue 0.05,
    grayscale 0.1, cutout 8, mixup 0.2, cutmix 1.
    """
    told = torchbeam.preview(data, augment=augment, pictures=pictures, variants=variants, size=size, out=out, seed=seed)
    say(told, json)
