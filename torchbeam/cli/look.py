"""torchbeam look"""

from pathlib import Path
from typing import Annotated

import typer

import torchbeam
from torchbeam.cli.say import say


def run(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="a model file, a run folder, or a network's name, as resnet-18")
    ],
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="the picture to look at")],
    filters: Annotated[bool, typer.Option("--filters", help="the first layer's filters")] = False,
    activations: Annotated[
        str | None, typer.Option(metavar="LAYER", help="a layer's maps, strongest first; all", show_default=False)
    ] = None,
    occlusion: Annotated[
        bool, typer.Option("--occlusion", help="what the class loses with a patch over each part")
    ] = False,
    neuron: Annotated[
        str | None, typer.Option(metavar="LAYER:UNIT", help="what one unit looks for", show_default=False)
    ] = None,
    gradcam: Annotated[bool, typer.Option("--gradcam", help="where the last maps speak for the class")] = False,
    saliency: Annotated[bool, typer.Option("--saliency", help="which pixels the score hangs on")] = False,
    arithmetic: Annotated[
        str | None,
        typer.Option(metavar="LAYER:UNIT@ROW,COL", help="how one number came about", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="all of these")] = False,
    data: Annotated[
        str | None, typer.Option(help="pictures whose patches excite the neuron most", show_default=False)
    ] = None,
    label: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="the class looked for [the likeliest]")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="a file of a named network's weights [fetched]", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="a new folder for what is seen")] = Path("look"),
    cache: Annotated[
        Path | None, typer.Option(help="the folder for what can be made again [~/.cache/torchbeam]", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps")] = "auto",
    seed: Annotated[int, typer.Option(help="of what is drawn by chance")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document on stdout")] = False,
) -> None:
    """Look inside a network at one picture: PNGs, numbers as .npz, and one HTML page.

    torchbeam look runs/photos-1 ant.jpg --occlusion --gradcam
    """
    made = torchbeam.look_into(
        model,
        picture,
        filters=filters,
        activations=activations,
        saliency=saliency,
        gradcam=gradcam,
        occlusion=occlusion,
        neuron=neuron,
        arithmetic=arithmetic,
        everything=everything,
        data=data,
        label=label,
        weights=weights,
        out=out,
        cache=cache,
        device=device,
        seed=seed,
    )
    say(made, as_json)
