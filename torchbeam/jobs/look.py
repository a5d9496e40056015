"""look: a model and a picture -> what is inside, as pictures, numbers and one page."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torchbeam.data.batches import batches
from torchbeam.data.load import load_data
from torchbeam.data.pixels import Kept, fixed_for
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.volume import Volume
from torchbeam.errors import DataError, SettingError
from torchbeam.files import cannot_write, write_whole
from torchbeam.jobs.backbone import load_backbone
from torchbeam.jobs.predict import load_model
from torchbeam.jobs.runfolder import check_free
from torchbeam.jobs.screen import Screen
from torchbeam.learn import device as devices
from torchbeam.look.activations import activations as see_activations
from torchbeam.look.arithmetic import arithmetic as see_arithmetic
from torchbeam.look.filters import filters as see_filters
from torchbeam.look.gradcam import gradcam as see_gradcam
from torchbeam.look.look import Look
from torchbeam.look.neuron import neuron as see_neuron
from torchbeam.look.occlusion import occlusion as see_occlusion
from torchbeam.look.receptive import fields_of
from torchbeam.look.saliency import saliency as see_saliency
from torchbeam.look.subject import Subject, looking, subject_of
from torchbeam.look.sweep import sweep
from torchbeam.network.taps import tapped
from torchbeam.report.lookpage import Pointed, Shown, look_page

DATA_BATCH = 64
# What is looked at where nothing is named.
USUAL = ("filters", "activations", "saliency", "gradcam", "occlusion")
UNITS = ("arithmetic", "neuron")  # looks at one unit, which has to be named
TITLES = {
    "filters": "Filters",
    "activations": "Activations",
    "saliency": "Saliency",
    "gradcam": "Grad-CAM",
    "occlusion": "Occlusion",
    "neuron": "The neuron's view",
    "arithmetic": "The arithmetic of one number",
    "sweep": "The filter sliding over the picture",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """What was looked at: of each look its kind, caption and files; page: the HTML file."""

    out: Path
    page: Path
    looks: tuple[tuple[str, str, tuple[Path, ...]], ...]

    def to_json(self) -> dict[str, Any]:
        """As `look --json` prints it."""
        looks = [
            {"kind": kind, "caption": caption, "files": [str(file) for file in files]}
            for kind, caption, files in self.looks
        ]
        return {"out": str(self.out), "page": str(self.page), "looks": looks}

    def __str__(self) -> str:
        """A line for each look, and the page."""
        lines = [f"{kind:<11} {files[0]}" for kind, _, files in self.looks]
        return "\n".join([*lines, f"page        {self.page}"])


@dataclass(frozen=True, slots=True)
class _Opened:
    """A network and what it takes to use it."""

    network: nn.Module
    preprocessing: Preprocessing
    classes: tuple[str, ...]


def look_into(
    model: str | Path,
    picture: str | Path,
    *,
    filters: bool = False,
    activations: str | None = None,
    saliency: bool = False,
    gradcam: bool = False,
    occlusion: bool = False,
    neuron: str | None = None,
    arithmetic: str | None = None,
    everything: bool = False,
    data: str | Path | None = None,
    label: str | None = None,
    weights: str | Path | None = None,
    out: str | Path = "look",
    cache: str | Path | None = None,
    device: str = "auto",
    seed: int = 0,
    show: bool = True,
) -> Looked:
    """Look into a network at one picture, and write what is seen into `out`: PNGs, .npz files and one HTML page.

    model: a model file or run folder, or a network by name ('resnet-18', 'torchvision/resnet50', 'timm/resnet18') with
    `weights`, a file, or those published. activations: a layer, or 'all'. neuron: 'LAYER:UNIT'; data: pictures whose
    patches excite it most. arithmetic: 'LAYER:UNIT@ROW,COLUMN', or 'LAYER:UNIT' where it is strongest. everything: all
    of them, the unit being the strongest of the last convolution. label: the class looked for, by name or number, the
    likeliest where none is named. Nothing named: filters, activations, saliency, Grad-CAM and occlusion.

    Raises SettingError for a layer, unit or class that is not there, PictureError for a picture that cannot be read,
    ModelFileError, OutputError.
    """
    place = devices.choose(device)
    check_free(out)
    screen = Screen(show)
    opened = _opened(model, weights, cache, screen)
    opened.network.to(place)
    subject = subject_of(opened.network, picture, preprocessing=opened.preprocessing, classes=opened.classes)
    number = subject.label(label)
    screen.note(f"{subject.classes[number]}: {subject.scores().softmax(0)[number]:.1%} of {Path(picture).name}")
    told = f"torchbeam look {model} {picture}" + (f" --class {label}" if label else "") + f", seed {seed}"
    named: dict[str, str | bool | None] = {
        "filters": filters,
        "activations": activations,
        "saliency": saliency,
        "gradcam": gradcam,
        "occlusion": occlusion,
        "neuron": neuron,
        "arithmetic": arithmetic,
    }
    wanted = _wanted(named, everything, subject)
    given = None if data is None else _given(data, opened, place, cache, screen)
    made: list[tuple[Look, Shown]] = []
    for kind, where in wanted:
        screen.note(f"{TITLES[kind].lower()}{f' of {where}' if where else ''}")
        found = _looked(kind, where, opened, picture, number, given, seed)
        found = replace(found, caption=f"{found.caption}; {told}")
        made.append((found, _shown(kind, found, subject)))
    return _written(Path(out), f"{Path(model).name} at {Path(picture).name}", made)


def _opened(model: str | Path, weights: str | Path | None, cache: str | Path | None, screen: Screen) -> _Opened:
    if weights is None and Path(model).exists():
        held = load_model(model)
        return _Opened(held.network, held.preprocessing, held.classes)
    found = load_backbone(str(model), weights, cache=cache, watch=screen.watch)
    return _Opened(found.backbone.network, found.preprocessing, _names(found.backbone.classes))


def _given(
    data: str | Path, opened: _Opened, place: torch.device, cache: str | Path | None, screen: Screen
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """Every picture at `data`, prepared, with the model's own number of its class. Raises DataError."""
    screen.note(f"reading {data}")
    loaded = load_data(data, to_learn=False, cache=cache, watch=screen.watch)
    unknown = [name for name in loaded.classes if name not in opened.classes]
    if unknown:
        raise DataError(
            f"{data} has {len(unknown):,} classes that the model does not know",
            expected=", ".join(opened.classes[:10]),
            got=", ".join(unknown[:3]),
            remedy="name pictures of the model's own classes",
        )
    numbers = torch.tensor([opened.classes.index(name) for name in loaded.classes])
    everything = np.arange(len(loaded.records))
    held = batches(loaded, fixed_for(loaded, opened.preprocessing, Kept(cache)), "train", DATA_BATCH)
    held = replace(held, samples=everything)
    for batch in screen.watch(held.in_order(), "looking at", len(held), "batches"):
        pictures = opened.preprocessing.normalise(batch.pixels_NCHW.to(place))
        yield batch.samples, pictures, numbers[batch.labels_N]


def _names(count: int) -> tuple[str, ...]:
    """ImageNet's names where there are as many classes; else none, and numbers stand for them."""
    if count != 1000:
        return ()
    models: Any = import_module("torchvision.models")  # seconds, and only networks by name need it
    return tuple(models.AlexNet_Weights.DEFAULT.meta["categories"])


def _wanted(told: Mapping[str, str | bool | None], everything: bool, subject: Subject) -> list[tuple[str, str]]:
    """What is to be looked at, each with the layer or unit named, '' where none is."""
    asked = {kind: value for kind, value in told.items() if value}
    if everything:
        unit = _strongest(subject)
        asked = {kind: value or (unit if kind in UNITS else True) for kind, value in told.items()}
    elif not asked:
        asked = {kind: True for kind in told if kind in USUAL}
    made = []
    for kind in (*USUAL, *UNITS):
        if kind in asked:
            where = asked[kind]
            made.append((kind, where if isinstance(where, str) else ""))
    if "arithmetic" in asked:
        made.append(("sweep", str(asked["arithmetic"])))
    return made


def _strongest(subject: Subject) -> str:
    """The unit that answers most in the last convolution, as 'LAYER:UNIT'."""
    convolutions = [name for name, module in subject.network.named_modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise SettingError(
            "a network without a convolution has no units to look at",
            expected="a network with a CONV",
            remedy="name what to look at, as in --arithmetic LAYER:UNIT",
        )
    with looking(subject.network), torch.no_grad(), tapped(subject.network, convolutions[-1:]) as taps:
        subject.network(subject.x_1CHW)
    return f"{convolutions[-1]}:{int(taps[convolutions[-1]][0].flatten(1).amax(1).argmax())}"


def _place(told: str) -> tuple[str, int, int | None, int | None]:
    """'LAYER:UNIT@ROW,COLUMN' or 'LAYER:UNIT'. Raises SettingError."""
    found = re.fullmatch(r"([^:@]+):(\d+)(?:@(\d+),(\d+))?", told.strip())
    if found is None:
        raise SettingError(
            f"{told} names no unit", expected="LAYER:UNIT, or LAYER:UNIT@ROW,COLUMN, as in stage1.conv2:12@3,4"
        )
    layer, unit, row, column = found.groups()
    return layer, int(unit), None if row is None else int(row), None if column is None else int(column)


def _looked(
    kind: str,
    where: str,
    opened: _Opened,
    picture: str | Path,
    label: int,
    data: Iterator[tuple[np.ndarray, Tensor, Tensor]] | None,
    seed: int,
) -> Look:
    """One look."""
    told: dict[str, Any] = {"preprocessing": opened.preprocessing, "classes": opened.classes}
    match kind:
        case "filters":
            return see_filters(opened.network, where or None)
        case "activations":
            return see_activations(opened.network, picture, None if where in ("", "all") else where, **told)
        case "saliency":
            return see_saliency(opened.network, picture, label, **told)
        case "gradcam":
            return see_gradcam(opened.network, picture, label, **told)
        case "occlusion":
            patch = _patch(min(opened.preprocessing.width, opened.preprocessing.height))
            return see_occlusion(opened.network, picture, label, patch=patch, stride=patch // 2, seed=seed, **told)
        case "arithmetic":
            layer, unit, row, column = _place(where)
            return see_arithmetic(opened.network, picture, layer, unit, row, column, **told)
        case "sweep":
            layer, unit, _, _ = _place(where)
            return sweep(opened.network, picture, layer, unit, **told)
        case _:
            layer, unit, _, _ = _place(where)
            return see_neuron(opened.network, picture, layer, unit, data=data, seed=seed, **told)


def _patch(side: int) -> int:
    """The patch for pictures of that side, in pixels: 16 for photos, an eighth of small ones."""
    return 16 if side >= 128 else max(2, side // 8)


def _shown(kind: str, found: Look, subject: Subject) -> Shown:
    """The look as the page has it."""
    gif = found.gif() if found.frames else b""
    return Shown(TITLES[kind], found.caption, found.png(), gif, _pointed(kind, found, subject))


def _pointed(kind: str, found: Look, subject: Subject) -> Pointed | None:
    """What can be pointed at: of occlusion the patch that hid, of Grad-CAM the receptive field of a position."""
    if kind == "occlusion":
        tops, lefts = found.arrays["tops"].values, found.arrays["lefts"].values
        patch, stride = found.facts["patch"], found.facts["stride"]
        height, width = subject.shown_HWC.shape[:2]
        near = (patch - stride) / 2
        boxes = np.array(
            [[(left, top, min(left + patch, width), min(top + patch, height)) for left in lefts] for top in tops]
        )
        places = np.array(
            [[(left + near, top + near, left + near + stride, top + near + stride) for left in lefts] for top in tops]
        )
        return Pointed(subject.shown_HWC, found.arrays["map"].values, boxes, places, found.arrays["map"].unit)
    if kind != "gradcam":
        return None
    cells = found.arrays["cells"].values
    rows, columns = cells.shape
    height, width = subject.shown_HWC.shape[:2]
    fields = fields_of(subject.network, Volume(*subject.x_1CHW.shape[1:]))
    layer = found.facts["layer"]
    if not fields.knows(layer):
        return None
    each = [[fields.box(layer, row, column) for column in range(columns)] for row in range(rows)]
    boxes = np.array([[(box.left, box.top, box.right, box.bottom) for box in line] for line in each])
    high, wide = height / rows, width / columns
    places = np.array(
        [[(c * wide, r * high, (c + 1) * wide, (r + 1) * high) for c in range(columns)] for r in range(rows)]
    )
    return Pointed(subject.shown_HWC, cells, boxes, places, "for the class")


def _written(out: Path, title: str, made: list[tuple[Look, Shown]]) -> Looked:
    """The files, each whole."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    looks = tuple((found.kind, found.caption, found.save(out)) for found, _ in made)
    page = out / "look.html"
    write_whole(page, look_page(title, [shown for _, shown in made]))
    return Looked(out, page, looks)
