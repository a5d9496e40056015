"""torchbeam resume"""

from pathlib import Path
from typing import Annotated

import typer

import torchbeam
from torchbeam.cli.say import say


def run(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="the folder of the run, as in runs/digits-1")],
    epochs: Annotated[
        int | None, typer.Option(help="a new number of them; the schedule is planned anew", show_default=False)
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="the rate to go on with; a finished run needs it", show_default=False)
    ] = None,
    tensorboard: Annotated[
        bool | None,
        typer.Option(
            "--tensorboard/--no-tensorboard",
            help="write event files into RUN/tensorboard [as the run began]",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print summary.json on stdout")] = False,
) -> None:
    """Go on with a run that was stopped, from the very step, to the same bits as if it never had been.

    \b
    torchbeam resume runs/digits-1
    torchbeam resume runs/digits-1 --epochs 40
    """
    say(torchbeam.resume(run_folder, epochs=epochs, lr=lr, tensorboard=tensorboard), json)
