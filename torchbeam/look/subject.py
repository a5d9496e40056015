"""Subject: a network and a picture, ready to be looked at; neither is changed by looking."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from torchbeam.data.decode import decode, from_array, from_image, read_bytes
from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.arguments import listed, nearest, short
from torchbeam.errors import SettingError
from torchbeam.network.modelfile import tensors_digest

Given = str | Path | Image.Image | NDArray[np.uint8] | Tensor
DIGITS = 12  # of a digest that captions show


@runtime_checkable
class Modelled(Protocol):
    """A network with what it takes to use it, as load_model gives it."""

    @property
    def network(self) -> nn.Module:
        """The network."""
        ...

    @property
    def preprocessing(self) -> Preprocessing:
        """What was done with its pictures."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Its classes in order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """network: in the mode it came in; look at it within `looking`. x_1CHW: the normalised picture, float32, on the
    network's device. shown_HWC: the same pixels as bytes, for drawing, H x W x 3. classes: their names, or numbers.
    mean, std: of the normalisation, by channel. weights, picture: the first digits of their SHA-256."""

    network: nn.Module
    x_1CHW: Tensor
    shown_HWC: NDArray[np.uint8]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights: str
    picture: str

    @property
    def of(self) -> str:
        """The end of every caption."""
        return f"weights {self.weights}, picture {self.picture}"

    def label(self, name: str | int | None) -> int:
        """The number of a class, by name or number; None for the likeliest here. Raises SettingError."""
        if name is None:
            return int(self.scores().argmax())
        if isinstance(name, int) or (name not in self.classes and name.isdecimal()):
            if 0 <= int(name) < len(self.classes):
                return int(name)
        elif name in self.classes:
            return self.classes.index(name)
        raise SettingError(
            f"no class {short(str(name))!r}",
            expected=f"one of {len(self.classes):,}: {listed(list(self.classes[:20]))}",
            remedy=nearest(str(name), list(self.classes)),
        )

    def scores(self) -> Tensor:
        """The network's scores of the picture, K, float32 on the CPU."""
        with looking(self.network), torch.no_grad():
            return self.network(self.x_1CHW).flatten(1)[0].float().cpu()

    def normalised(self, shown_HWC: NDArray[np.uint8]) -> Tensor:
        """Another picture of the same size, bytes H x W x 3, as the network takes it, 1, C, H, W."""
        pixels = torch.from_numpy(np.ascontiguousarray(shown_HWC)).permute(2, 0, 1)[None].float() / 255
        pixels = pixels[:, : self.x_1CHW.shape[1]]
        mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in (self.mean, self.std))
        return ((pixels - mean) / std).to(self.x_1CHW)


def subject_of(
    network: nn.Module | Modelled,
    picture: Given,
    *,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Subject:
    """A network, or a model, and a picture: a path, a PIL picture, an array of bytes (H, W) or (H, W, 3), or a tensor
    that is normalised already, C, H, W or 1, C, H, W.

    preprocessing: of a bare network; a model brings its own, and a tensor needs none. classes: the names of its
    scores; numbers where there are none. Raises SettingError where the picture cannot be prepared, PictureError where
    it cannot be read.
    """
    if isinstance(network, Modelled) and not isinstance(network, nn.Module):
        preprocessing, classes = preprocessing or network.preprocessing, classes or network.classes
        network = network.network
    if not isinstance(network, nn.Module):
        raise SettingError(
            f"cannot look into a {type(network).__name__}", expected="a torch module or a torchbeam model"
        )
    device = next((weight.device for weight in network.parameters()), torch.device("cpu"))
    if isinstance(picture, Tensor):
        x_1CHW, shown, mean, std = _given_tensor(picture, preprocessing)
    else:
        x_1CHW, shown, mean, std = _prepared(picture, preprocessing)
    x_1CHW = x_1CHW.to(device)
    with looking(network), torch.no_grad():
        count = network(x_1CHW).flatten(1).shape[1]
    names = tuple(classes) if len(classes) == count else tuple(str(number) for number in range(count))
    digest = hashlib.sha256(x_1CHW.cpu().numpy().tobytes()).hexdigest()[:DIGITS]
    weights = tensors_digest(network.state_dict())[:DIGITS]
    return Subject(network, x_1CHW, shown, names, mean, std, weights, digest)


@contextmanager
def looking(network: nn.Module) -> Iterator[None]:
    """The network in evaluation; afterwards every module has the mode it had, also after an error, and no weight has a
    gradient that it had not."""
    modes = [(module, module.training) for module in network.modules()]
    gradients = [(weight, weight.grad) for weight in network.parameters()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for weight, gradient in gradients:
            weight.grad = gradient


def _prepared(
    picture: str | Path | Image.Image | NDArray[np.uint8], preprocessing: Preprocessing | None
) -> tuple[Tensor, NDArray[np.uint8], tuple[float, ...], tuple[float, ...]]:
    if preprocessing is None:
        raise SettingError(
            "a picture cannot be prepared for a bare network",
            expected="its preprocessing, a model that brings one, or a normalised tensor",
            got=type(picture).__name__,
        )
    if isinstance(picture, np.ndarray):
        image = from_array(picture, "the picture")
    elif isinstance(picture, Image.Image):
        image = from_image(picture, "the picture")
    else:
        image = decode(read_bytes(Path(picture)), str(picture), preprocessing.least)
    pixels_CHW = preprocessing.pixels(image)
    shown = np.ascontiguousarray(np.broadcast_to(pixels_CHW, (3, *pixels_CHW.shape[1:])).transpose(1, 2, 0))
    x_1CHW = preprocessing.normalise(torch.from_numpy(pixels_CHW[None].copy()))
    return x_1CHW, shown, preprocessing.mean, preprocessing.std


def _given_tensor(
    picture: Tensor, preprocessing: Preprocessing | None
) -> tuple[Tensor, NDArray[np.uint8], tuple[float, ...], tuple[float, ...]]:
    x_1CHW = picture[None] if picture.ndim == 3 else picture
    if x_1CHW.ndim != 4 or len(x_1CHW) != 1 or not x_1CHW.is_floating_point():
        raise SettingError(
            "the tensor is no picture",
            expected="a normalised picture of floats, C, H, W or 1, C, H, W",
            got=f"{' x '.join(map(str, picture.shape))} of {str(picture.dtype).removeprefix('torch.')}",
        )
    x_1CHW = x_1CHW.detach().float()
    channels = x_1CHW.shape[1]
    if preprocessing is not None and preprocessing.depth == channels:
        mean, std = preprocessing.mean, preprocessing.std
        values = x_1CHW[0].cpu() * torch.tensor(std).view(-1, 1, 1) + torch.tensor(mean).view(-1, 1, 1)
    else:  # of an unknown normalisation: from its darkest to its brightest
        low, high = float(x_1CHW.min()), float(x_1CHW.max())
        spread = max(high - low, 1e-12)
        # value = (x - low) / spread is x * std + mean with these:
        mean, std = (-low / spread,) * channels, (1 / spread,) * channels
        values = (x_1CHW[0].cpu() - low) / spread
    grey = values[:1] if channels != 3 else values
    bytes_CHW = (grey.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    shown = np.ascontiguousarray(np.broadcast_to(bytes_CHW[:3], (3, *bytes_CHW.shape[1:])).transpose(1, 2, 0))
    return x_1CHW, shown, mean, std
