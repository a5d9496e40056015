"""The pictures of a data set as a network takes them: bytes of one size, from memory, from the decoded cache, or
decoded when asked for.

`Fixed` holds each picture as it is evaluated. `Roomy` holds it larger, for crops of changing size and place, which
are cut out and scaled when they are taken.
"""

import hashlib
import math
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from torchbeam.data.augment.places import flips
from torchbeam.data.augment.resizedcrop import crop_boxes
from torchbeam.data.augment.words import Augmentation
from torchbeam.data.cachefolder import cache_folder
from torchbeam.data.load import Data
from torchbeam.data.pictures import Files
from torchbeam.data.preprocess import Preprocessing, in_depth
from torchbeam.data.store import Store, room_for
from torchbeam.design.volume import Volume
from torchbeam.errors import PictureError
from torchbeam.heap import empty

# Pictures that take more bytes than this stay on disk, in the decoded cache.
MEMORY = 2 * 2**30
# Pictures that crops are cut from are kept this much larger than the network's input: an ImageNet picture's short
# side of 256 for crops of 224.
ROOM = 8 / 7
# Nanoseconds, roughly, of any machine: decoding takes so much for each picture and each of its pixels, writing down
# for later so much for each byte. What fits into memory is written too where decoding costs several times more.
EACH_PICTURE, EACH_PIXEL, EACH_BYTE, DECODING_OVER = 150_000, 8, 2, 1 / 4
# Seconds by which the clock that files are stamped with may lag behind.
CLOCK = 0.05
# What decoding and sizing make of a file; another number where they make something else of it.
DECODING = 1


class Pixels(Protocol):
    """The pictures of a data set by sample, at a network's input size."""

    def take(self, samples: NDArray[np.int64], drawn: tuple[int, int] | None = None) -> Tensor:
        """The pictures of `samples`, bytes N, C, H, W. drawn: (seed, epoch) of the crops, None for the middle."""
        ...

    def at_hand(self, samples: NDArray[np.int64]) -> bool:
        """Whether they only need to be picked from memory, which no thread ahead would hasten."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """Where decoded pictures are kept: the cache folder, and how many bytes in all, None for the usual."""

    cache: str | Path | None = None
    limit: int | None = None


def bytes_held(data: Data, volume: Volume, memory: int = MEMORY) -> int:
    """The bytes of all pictures at that size where they stay in memory, 0 where they are too many."""
    needed = volume.neurons * len(data.records)
    return needed if needed <= memory else 0


class Shelf:
    """Decoded pictures (H, W, C) of a data set, one by one: in memory where all of them fit, in the store where
    decoding anew costs far more than reading back or memory cannot hold them, else decoded when asked for.

    sizes: (width, height) that each picture will have here.
    """

    def __init__(
        self,
        data: Data,
        name: str,
        sizes: Sequence[tuple[int, int]],
        channels: int,
        kept: Kept,
        memory: int,
        decoded: Callable[[int], NDArray[np.uint8]],
    ) -> None:
        bytes_N = np.array(sizes, dtype=np.int64).reshape(-1, 2).prod(1) * channels
        whole_N = np.array(data.sizes, dtype=np.int64).reshape(-1, 2).prod(1)
        self.data, self.decoded = data, decoded
        fits = int(bytes_N.sum()) <= memory
        self.block = empty((int(bytes_N.sum()),)) if fits else None
        self.starts = np.concatenate(([0], np.cumsum(bytes_N)))
        self.held: list[NDArray[np.uint8] | None] = [None] * len(sizes)
        self.dear = (DECODING_OVER * (EACH_PICTURE + EACH_PIXEL * whole_N) > EACH_BYTE * bytes_N) | (not fits)
        self.store = opened(data, name, kept, bytes_N, self.dear)

    def take(self, samples: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """The pictures of `samples`, read-only."""
        made: list[NDArray[np.uint8]] = []
        new: list[tuple[str, NDArray[np.uint8]]] = []
        for sample in samples.tolist():
            pixels = self.held[sample]
            if pixels is None and self.store is not None:
                pixels = self.store.get(self.data.digests[sample])
            if pixels is None:
                pixels = self.decoded(sample)
                if self.store is not None and self.dear[sample] and unchanged(self.data, sample):
                    new.append((self.data.digests[sample], pixels))
            if self.block is not None and self.held[sample] is None:
                pixels = self.held[sample] = self._in_block(sample, pixels)
            made.append(pixels)
        if self.store is not None and new:
            self.store.put(new)
        return made

    def _in_block(self, sample: int, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture at its place in the memory that holds all of them."""
        if self.block is None or pixels.size != self.starts[sample + 1] - self.starts[sample]:
            return pixels  # a file that changed since it was looked at
        place = self.block[self.starts[sample] : self.starts[sample + 1]].reshape(pixels.shape)
        place[:] = pixels
        return place


class Fixed:
    """Each picture scaled and cut once. In memory where they fit, filled as they are first asked for.

    sizing: how, where that is not to cover the volume and show so much of it."""

    def __init__(
        self,
        data: Data,
        volume: Volume,
        kept: Kept,
        shown: float = 1.0,
        memory: int = MEMORY,
        sizing: Preprocessing | None = None,
    ) -> None:
        zeros = (0.0,) * volume.channels
        self.data = data
        self.sizing = sizing or Preprocessing(volume.width, volume.height, volume.channels, zeros, zeros, shown)
        sizes = [(volume.width, volume.height)] * len(data.records)
        self.shelf = Shelf(data, f"{volume}-{_told(self.sizing)}", sizes, volume.channels, kept, 0, self._decoded)
        shape = (len(data.records), volume.channels, volume.height, volume.width)
        self.have = np.zeros(len(data.records), np.bool_)
        self.held = torch.from_numpy(empty(shape)) if bytes_held(data, volume, memory) else None

    def take(self, samples: NDArray[np.int64], drawn: tuple[int, int] | None = None) -> Tensor:
        """The pictures of `samples`, bytes N, C, H, W."""
        del drawn  # the middle is all there is
        if self.held is None:
            return torch.from_numpy(np.stack(self.shelf.take(samples))).permute(0, 3, 1, 2)
        missing = samples[~self.have[samples]]
        if len(missing):
            made = np.stack(self.shelf.take(missing)).transpose(0, 3, 1, 2)
            self.held[torch.from_numpy(missing)] = torch.from_numpy(np.ascontiguousarray(made))
            self.have[missing] = True
        return self.held[torch.from_numpy(samples)]

    def at_hand(self, samples: NDArray[np.int64]) -> bool:
        """Whether all of them are in memory."""
        return self.held is not None and bool(self.have[samples].all())

    def _decoded(self, sample: int) -> NDArray[np.uint8]:
        picture = self.data.image(sample, self.sizing.least)
        return np.ascontiguousarray(self.sizing.pixels(picture).transpose(1, 2, 0))


def fixed_for(data: Data, preprocessing: Preprocessing, kept: Kept) -> Fixed:
    """Each picture as a model's preprocessing brings it to size."""
    volume = Volume(preprocessing.depth, preprocessing.height, preprocessing.width)
    return Fixed(data, volume, kept, sizing=preprocessing)


def _told(sizing: Preprocessing) -> str:
    """What a folder of pictures sized so is called."""
    how = f"cover-{sizing.shown:g}" if sizing.short is None else f"short-{sizing.short}"
    return how if sizing.filter == "bilinear" else f"{how}-{sizing.filter}"


class Roomy:
    """Each picture scaled down until it just covers ROOM times the network's input, never up. What `cutting` says of
    `resizedcrop` and the flips is done when it is taken: a part is cut out, scaled to the network's input
    (bilinear, antialiased), and mirrored."""

    def __init__(self, data: Data, volume: Volume, cutting: Augmentation, kept: Kept, memory: int = MEMORY) -> None:
        self.data, self.volume, self.cutting = data, volume, cutting
        self.least = (math.ceil(volume.width * ROOM), math.ceil(volume.height * ROOM))
        sizes = [_roomy(size, self.least) for size in data.sizes]
        name = f"{self.least[0]}x{self.least[1]}x{volume.channels}-roomy"
        self.shelf = Shelf(data, name, sizes, volume.channels, kept, memory, self._decoded)

    def take(self, samples: NDArray[np.int64], drawn: tuple[int, int] | None = None) -> Tensor:
        """Crops of the pictures of `samples`, bytes N, C, H, W."""
        wholes = self.shelf.take(samples)
        height, width = self.volume.height, self.volume.width
        across = down = np.zeros(len(samples), np.bool_)
        area = self.cutting.resizedcrop
        if drawn is None or area is None:
            cuts = [_middle(whole.shape[1], whole.shape[0], width, height) for whole in wholes]
        else:
            sizes = np.array([(whole.shape[1], whole.shape[0]) for whole in wholes])
            cuts = crop_boxes(area, sizes, samples, *drawn).astype(np.int64).tolist()
            across, down = flips(self.cutting, samples, *drawn)
        out_NHWC = np.empty((len(samples), height, width, self.volume.channels), np.uint8)
        turned = [[axis for axis, yes in ((3, x), (2, y)) if yes] for x, y in zip(across, down, strict=True)]
        for number, (whole, (left, top, right, bottom)) in enumerate(zip(wholes, cuts, strict=True)):
            made = _scaled(whole[top:bottom, left:right].copy(), width, height)
            made = made.flip(turned[number]) if turned[number] else made
            out_NHWC[number] = made.numpy()[0].transpose(1, 2, 0)
        return torch.from_numpy(out_NHWC).permute(0, 3, 1, 2)

    def at_hand(self, samples: NDArray[np.int64]) -> bool:
        """Never: every crop is cut anew."""
        del samples
        return False

    def _decoded(self, sample: int) -> NDArray[np.uint8]:
        pixels = np.array(in_depth(self.data.image(sample, self.least), self.volume.channels))
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        size = _roomy((pixels.shape[1], pixels.shape[0]), self.least)
        if size == (pixels.shape[1], pixels.shape[0]):
            return pixels
        return _scaled(pixels, *size)[0].permute(1, 2, 0).contiguous().numpy()


def _scaled(pixels_HWC: NDArray[np.uint8], width: int, height: int) -> Tensor:
    """One picture at another size, bilinear, antialiased: bytes 1, C, H, W. In channels_last and without gaps
    between the rows, for which torch has a path five times as fast as Pillow's."""
    given = torch.from_numpy(pixels_HWC)[None].permute(0, 3, 1, 2)  # in this order: NumPy's [None] has no stride
    return F.interpolate(given, (height, width), mode="bilinear", antialias=True)


def _roomy(size: tuple[int, int], least: tuple[int, int]) -> tuple[int, int]:
    """(width, height) scaled down until it just covers `least`, never up."""
    ratio = max(1.0, min(size[0] / least[0], size[1] / least[1]))
    return round(size[0] / ratio), round(size[1] / ratio)


def opened(data: Data, sizing: str, kept: Kept, bytes_N: NDArray[np.int64], dear: NDArray[np.bool_]) -> Store | None:
    """The store of a data set's pictures for one way of sizing, or None where nothing can or need be kept.

    bytes_N: what each picture takes. dear: which of them are worth it.
    """
    if not isinstance(data.pictures, Files) or kept.limit == 0 or not dear.any():
        return None
    folder = cache_folder(kept.cache) / "decoded" / f"{sizing}-{DECODING}-pillow-{PIL.__version__}"
    try:
        store = Store(folder, data.digests)
        missing = {
            digest: size
            for digest, size, worth in zip(data.digests, bytes_N.tolist(), dear.tolist(), strict=True)
            if worth and digest not in store.rows
        }
        if not missing or room_for(folder, sum(missing.values()), kept.limit):
            return store
        store.close()
    except (OSError, sqlite3.Error):  # a cache that cannot be written: every epoch decodes
        return None
    return None


def unchanged(data: Data, sample: int) -> bool:
    """Whether a picture's file is the one that was looked at: not touched since then, or of the same content."""
    number = data.numbers[sample]
    try:
        if isinstance(data.pictures, Files):
            touched = (data.pictures.root / data.pictures.paths[number]).stat().st_ctime
            if touched < data.looked - CLOCK:
                return True
        return hashlib.sha256(data.pictures.content(number)).hexdigest() == data.digests[sample]
    except (OSError, PictureError):
        return False


def _middle(width: int, height: int, wide: int, high: int) -> tuple[int, int, int, int]:
    """The middle of a picture (left, top, right, bottom): what is left of ROOM, in the shape wide x high."""
    scale = min(width / wide, height / high) / ROOM
    cut_width, cut_height = max(1, round(wide * scale)), max(1, round(high * scale))
    left, top = (width - cut_width) // 2, (height - cut_height) // 2
    return left, top, left + cut_width, top + cut_height
