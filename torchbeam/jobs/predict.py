"""Model, and predict: what a model file says about pictures. From the model file alone."""

import copy
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from torchbeam.data.ahead import ahead
from torchbeam.data.decode import decode, from_array, from_image, read_bytes
from torchbeam.data.drawn import drawn_pictures
from torchbeam.data.preprocess import Preprocessing, from_json
from torchbeam.data.records import Skipped
from torchbeam.data.sources.folder import pictures_below
from torchbeam.design.nets import Design
from torchbeam.design.notation import parse, write
from torchbeam.errors import DataError, ModelFileError, PictureError, SettingError
from torchbeam.learn import device as devices
from torchbeam.learn.views import ALONE, VIEWS, Views, scores
from torchbeam.network import modelfile
from torchbeam.network.build import build
from torchbeam.network.carried import carried

Given = str | Path | Image.Image | NDArray[np.uint8]
BATCH = 64


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a picture was taken for. top: the likeliest classes with their probabilities, likeliest first."""

    path: str
    class_name: str
    probability: float
    top: tuple[tuple[str, float], ...]

    def to_json(self) -> dict[str, Any]:
        """As `predict --json` prints it."""
        return {
            "path": self.path,
            "class": self.class_name,
            "probability": self.probability,
            "top": [list(pair) for pair in self.top],
        }


@dataclass(frozen=True, slots=True)
class Predictions:
    """The pictures that could be read, in the order given, and those that could not."""

    pictures: tuple[Prediction, ...]
    skipped: tuple[Skipped, ...]

    def to_json(self) -> dict[str, Any]:
        """As `predict --json` prints it."""
        return {
            "pictures": [prediction.to_json() for prediction in self.pictures],
            "skipped": [bad.to_json() for bad in self.skipped],
        }

    def __str__(self) -> str:
        """One line a picture: class, probability, path."""
        width = max((len(prediction.class_name) for prediction in self.pictures), default=0)
        lines = [
            f"{prediction.class_name:<{width}}  {prediction.probability:7.2%}  {prediction.path}"
            for prediction in self.pictures
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Model:
    """A trained network and all it takes to use it: design, classes in order, preprocessing, provenance, metrics.

    views: of a picture, whose scores are averaged. backbone: another library's network, on whose codes the design
    stands, or ''.
    """

    network: nn.Module
    design: Design
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    provenance: dict[str, Any]
    metrics: dict[str, Any]
    views: Views = ALONE
    backbone: str = ""

    def predict(self, pictures: Given | Sequence[Given], top: int = 5) -> Predictions:
        """Classify pictures: paths, folders of pictures, PIL pictures or arrays, one or many.

        Arrays are bytes of shape (H, W), (H, W, 3) or (H, W, 4), or several of one shape stacked in front. Those
        that cannot be read come back in `skipped`; a path that does not exist raises DataError.
        """
        if top < 1:
            raise SettingError(f"top cannot be {top}", expected="1 or more")
        found: list[Prediction] = []
        skipped: list[Skipped] = []
        waiting: list[tuple[str, NDArray[np.uint8]]] = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for read in ahead(pool, self._read, _each(pictures), 2 * BATCH):
                if isinstance(read, Skipped):
                    skipped.append(read)
                else:
                    waiting.append(read)
                if len(waiting) == BATCH:
                    found += self._classify(waiting, top)
                    waiting = []
        if waiting:
            found += self._classify(waiting, top)
        return Predictions(tuple(found), tuple(skipped))

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""
        return next(iter(self.network.parameters()), torch.empty(0)).device

    def scores(self, pixels_NCHW: NDArray[np.uint8]) -> torch.Tensor:
        """The network's scores N x K for preprocessed pictures, float32 on the CPU; it is left in eval mode."""
        with torch.no_grad():
            self.network.eval()
            given = self.preprocessing.normalise(torch.from_numpy(pixels_NCHW).to(self.device))
            return scores(self.network, given, self.views).cpu()

    def _read(self, named: tuple[str, Given]) -> tuple[str, NDArray[np.uint8]] | Skipped:
        name, given = named
        try:
            return name, self.preprocessing.pixels(_picture(given, name, self.preprocessing.least))
        except PictureError as error:
            return Skipped(name, error.reason)

    def _classify(self, waiting: list[tuple[str, NDArray[np.uint8]]], top: int) -> list[Prediction]:
        scores = self.scores(np.stack([pixels for _, pixels in waiting]))
        values, classes = scores.softmax(1).topk(min(top, len(self.classes)))
        found = []
        for (name, _), row, labels in zip(waiting, values.tolist(), classes.tolist(), strict=True):
            likeliest = tuple((self.classes[k], p) for k, p in zip(labels, row, strict=True))
            found.append(Prediction(name, likeliest[0][0], likeliest[0][1], likeliest))
        return found


def load_model(path: str | Path, device: str = "cpu") -> Model:
    """Read a model file, or the one in a run folder, prove it, and put its network on a device.

    Digests are checked and the stored pictures run again. Raises ModelFileError or SettingError.
    """
    path, place = Path(path), devices.choose(device)
    kept = modelfile.read(path)
    design, preprocessing = parse(kept.notation), from_json(kept.preprocessing)
    network = _network(kept.backbone, design, preprocessing)
    try:
        network.load_state_dict(kept.tensors, assign=True)
    except RuntimeError as error:
        raise ModelFileError(
            f"{path}: its tensors do not belong to its network", got=str(error).splitlines()[-1].strip()
        ) from None
    views = _views(path, str(kept.preprocessing.get("views", "none")))
    model = Model(network, design, kept.classes, preprocessing, kept.provenance, kept.metrics, views, kept.backbone)
    modelfile.replay(path, kept.proofs, lambda picture: _scores_of(model, picture))
    network.to(place)
    return model


def _network(backbone: str, design: Design, preprocessing: Preprocessing) -> nn.Module:
    if backbone:
        return carried(backbone, preprocessing.width, design)
    with torch.device("meta"):  # a text may claim any size; memory is taken only for tensors that are there
        return build(design, init=None)


def _views(path: Path, name: str) -> Views:
    if name not in VIEWS:
        raise ModelFileError(
            f"{path} asks for views that are not known", expected=", ".join(VIEWS), got=name, remedy="update torchbeam"
        )
    return Views(name)


def save_model(model: Model, path: str | Path) -> None:
    """Write a model file, with its proofs, whole or not at all. Raises OutputError or OutOfRoom."""
    network = copy.deepcopy(model.network).cpu()
    on_cpu = Model(network, model.design, model.classes, model.preprocessing, {}, {}, model.views, model.backbone)
    proofs = tuple(modelfile.Proof(picture, tuple(_scores_of(on_cpu, picture))) for picture in drawn_pictures())
    kept = modelfile.ModelFile(
        tensors=on_cpu.network.state_dict(),
        notation=write(model.design),
        classes=model.classes,
        preprocessing=model.preprocessing.to_json() | {"views": model.views.name},
        provenance=model.provenance,
        metrics=model.metrics,
        proofs=proofs,
        backbone=model.backbone,
    )
    modelfile.write(Path(path), kept)


def predict(
    model: Model | str | Path, pictures: Given | Sequence[Given], *, top: int = 5, device: str = "auto"
) -> Predictions:
    """Classify pictures with a Model, a model file or a run folder; see Model.predict."""
    ready = model if isinstance(model, Model) else load_model(model, device)
    return ready.predict(pictures, top)


def _scores_of(model: Model, picture: bytes) -> list[float]:
    pixels = model.preprocessing.pixels(decode(picture, "a stored picture"))
    return model.scores(pixels[None])[0].tolist()


def _each(pictures: Given | Sequence[Given]) -> Iterable[tuple[str, Given]]:
    """(name, picture) one by one; folders and stacked arrays opened."""
    if isinstance(pictures, str | Path):
        path = Path(pictures)
        if path.is_dir():
            inside = pictures_below(path)
            if not inside:
                raise DataError(f"no pictures in {path}", expected="files such as .jpg or .png")
            yield from ((str(picture), picture) for picture in inside)
        elif not path.exists():
            raise DataError(
                f"no picture at {path}", expected="a picture or a folder of pictures", remedy="check the path"
            )
        else:
            yield str(path), path
    elif isinstance(pictures, Image.Image):
        yield "picture", pictures
    elif isinstance(pictures, np.ndarray):
        several = pictures.ndim == 4 or (pictures.ndim == 3 and pictures.shape[2] not in (1, 3, 4))
        stacked = list(pictures) if several else [pictures]
        yield from ((f"array {number}", array) for number, array in enumerate(stacked))
    else:
        for given in pictures:
            yield from _each(given)


def _picture(given: Given, name: str, least: tuple[int, int]) -> Image.Image:
    if isinstance(given, np.ndarray):
        return from_array(given, name)
    if isinstance(given, Image.Image):
        return from_image(given, name)
    return decode(read_bytes(Path(given)), name, least)
