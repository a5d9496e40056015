"""backbone: a name, or a model file, as a trained network to go on from, with the preprocessing it was trained with.

Published weights are fetched once into the cache folder, under weights/, and known by the digest in their name.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from torchbeam.data.cachefolder import cache_folder
from torchbeam.data.fetch import fetch
from torchbeam.data.lock import locked
from torchbeam.data.preprocess import Preprocessing
from torchbeam.data.watch import Watch, unwatched
from torchbeam.design.arguments import nearest, short
from torchbeam.design.zoo import find
from torchbeam.errors import DataError, ModelFileError, OutputError, SettingError
from torchbeam.jobs.predict import load_model
from torchbeam.network.backbone import Backbone, backbone, backbone_of, filled
from torchbeam.network.foreign import address_of, foreign, is_foreign
from torchbeam.network.published import PUBLISHED, Published, published

HUB = "hub:"
BY_HAND = "name a file with --weights FILE"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A backbone, how pictures are prepared for it, and where its weights come from: an address, or a file."""

    backbone: Backbone
    preprocessing: Preprocessing
    origin: str


def load_backbone(
    name: str,
    weights: str | Path | None = None,
    *,
    size: int | None = None,
    cache: str | Path | None = None,
    watch: Watch = unwatched,
) -> Loaded:
    """The backbone of that name: a network of the zoo ('resnet-18'), one of torchvision's or timm's
    ('torchvision/efficientnet_b0'), a model file or run folder of torchbeam's, or one that is shared on a hub
    ('hub:OWNER/NAME').

    weights: a file with its weights, else the published ones are fetched. size: the side of square pictures, None for
    what it was trained on; the share of a picture that is shown stays. cache: where fetched weights are kept. watch:
    sees the fetching, by the mebibyte.

    Raises SettingError for an unknown name, and where a model file is told a size or weights; ModelFileError where
    weights are not the network's; DataError where they cannot be fetched, with the file to get by hand; DesignError
    for a size it cannot take; OutOfRoom and OutputError where they cannot be kept.
    """
    if is_foreign(name):
        other = foreign(name, size)
        told, path = other.published, _weights(weights, other.published, cache, watch)
        found = filled(other, path)
    elif find(name):
        told = published(name)
        if told is None:
            raise SettingError(f"no weights are published for {name}", expected=f"one of {', '.join(PUBLISHED)}")
        path = _weights(weights, told, cache, watch)
        found = backbone_of(name, path, size)
    else:
        return _of_file(name, weights, size)
    return Loaded(found, _preprocessing(told, size), told.url if weights is None else str(weights))


def _weights(weights: str | Path | None, told: Published, cache: str | Path | None, watch: Watch) -> Path:
    """The file of the weights: the one that was named, else the published one."""
    if weights is not None:
        return Path(weights)
    if not told.url:
        raise SettingError(
            f"no address is told for the weights of {told.name}",
            expected="a network whose weights are published as a file of their own",
            remedy=f"get them from those who trained it, and {BY_HAND}",
        )
    return fetched(told, cache_folder(cache), watch)


def fetched(told: Published, cache: Path, watch: Watch = unwatched) -> Path:
    """The file of published weights in `cache`/weights, fetched unless it is there already.

    It takes its name only when its digest begins as that name says. Raises DataError where it cannot be had or is
    another one, OutOfRoom, OutputError.
    """
    folder = cache / "weights"
    to, new = folder / told.file, folder / "new" / told.file
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder / f".{told.file}.lock"):
            if not to.exists():
                _fetch(told, new, to, watch)
                os.replace(new, to)
    except OSError as error:
        raise OutputError(
            f"cannot keep {told.file} in {folder}",
            got=error.strerror or str(error),
            remedy="name a place that can be written with --cache",
        ) from error
    _check_prefix(told, to, "move it away, and it is fetched anew")
    return to


def _fetch(told: Published, new: Path, to: Path, watch: Watch) -> None:
    """Fetch the file beside its place, and prove it."""
    url = told.url if "/" in told.url else address_of(told.url)
    new.unlink(missing_ok=True)  # of a run that was killed between the two
    try:
        fetch(url, new, watch=watch)
    except DataError as error:
        host = urlsplit(url).hostname
        raise DataError(
            f"the weights of {told.name} could not be fetched from {host}",
            expected=error.expected,
            got="; ".join(part for part in (error.what, error.got) if part),
            remedy=f"get {url} on another machine\nand name it with --weights FILE, or put it into\n{to}",
        ) from None
    try:
        _check_prefix(told, new, f"try again later, or get it another way and {BY_HAND}")
    except ModelFileError:
        new.unlink()
        raise


def _check_prefix(told: Published, path: Path, remedy: str) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFileError(f"cannot read {path}", got=error.strerror or str(error)) from None
    if not digest.startswith(told.sha256_prefix):
        raise ModelFileError(
            f"{told.file} is not the file that was published under this name",
            expected=f"a SHA-256 that begins with {told.sha256_prefix}",
            got=digest,
            remedy=remedy,
        )


def _preprocessing(told: Published, size: int | None) -> Preprocessing:
    """As the weights were trained; at another size the short side keeps its proportion."""
    side = size or told.size
    resized = told.resize if side == told.size else max(side, round(side / told.shown))
    return Preprocessing(side, side, len(told.mean), told.mean, told.std, side / resized, resized, told.interpolation)


def _of_file(name: str, weights: str | Path | None, size: int | None) -> Loaded:
    """A model file, or the one in a run folder."""
    path = Path(name)
    if not path.exists():
        raise SettingError(
            f"no backbone {short(name)}",
            expected=f"a model file, a run folder, torchvision/NAME, timm/NAME or one of {', '.join(PUBLISHED)}",
            remedy=nearest(name.lower(), list(PUBLISHED)),
        )
    if weights is not None or size is not None:
        raise SettingError(
            f"{name} has weights and a size of its own",
            expected="neither --weights nor --size beside a model file",
        )
    model = load_model(path)
    if model.backbone:
        raise SettingError(
            f"{name} is a head on {model.backbone}, which has no text in the notation",
            expected="a model file of a network of the zoo or your own",
            remedy=f"carry the network itself over: --backbone {model.backbone}",
        )
    return Loaded(backbone(str(name), model.network, model.design), model.preprocessing, str(path))
