"""Where codes are kept: for one way of computing them a folder of shards, each a safetensors file of codes and the
digests of the pictures they are of.

A shard is written whole, is named for what it holds, and is never changed, so that any number of processes may read
and write at once. Each carries its key and the SHA-256 of its tensors: one that is damaged is taken away, and what it
held is computed again.
"""

import contextlib
import os
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from torchbeam.data.lock import locked
from torchbeam.data.store import room_for
from torchbeam.errors import TorchbeamError
from torchbeam.files import whole
from torchbeam.network.modelfile import tensors_digest

FORMAT = "torchbeam-codes 1"
DIGEST = 32  # bytes
MANY = 4  # shards that are left beside each other
LARGE = 2**28  # bytes that shards are merged up to
OLD = 3600.0  # seconds after which a file that was never finished is nobody's any more
TRIES = 3


@dataclass(frozen=True, slots=True)
class Found:
    """codes_ND: float32, rows of pictures that are not kept being 0; None where no shard has any. have_N: which are.
    map: whether the codes are of a map, pooled."""

    codes_ND: Tensor | None
    have_N: NDArray[np.bool_]
    map: bool


class CodeStore:
    """The codes of one key in a folder of its own. A folder that cannot be written only forgets."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key
        self.keeps = True
        with contextlib.suppress(OSError):
            os.utime(folder)  # when it was last of use

    def find(self, digests: Sequence[str]) -> Found:
        """The codes of the pictures with these digests (SHA-256, hex), as far as they are kept."""
        asked = [bytes.fromhex(digest) for digest in digests]
        rows: dict[bytes, list[int]] = {}
        for row, digest in enumerate(asked):
            rows.setdefault(digest, []).append(row)
        found = Found(None, np.zeros(len(asked), np.bool_), False)
        for _ in range(TRIES):  # another process may have merged shards meanwhile
            vanished = False
            for path in self._shards():
                if found.have_N.all():
                    return found
                shard = self._read(path, rows)
                if shard is not None and shard.digests == asked:
                    return Found(shard.codes_MD, np.ones(len(asked), np.bool_), shard.map)  # as they lie
                vanished |= shard is None
                found = found if shard is None else _with(found, shard, rows)
            if not vanished:
                break
        return found

    def add(self, digests: Sequence[str], codes_MD: Tensor, of_map: bool) -> None:
        """Keep the codes of more pictures; once the disk will not have them, these and all later ones are forgotten."""
        if not self.keeps or not digests:
            return
        names = torch.frombuffer(bytearray(b"".join(map(bytes.fromhex, digests))), dtype=torch.uint8).view(-1, DIGEST)
        try:
            self.keeps = room_for(self.folder, codes_MD.nbytes)
            if self.keeps:
                self.folder.mkdir(exist_ok=True)
                self._write(names, codes_MD.contiguous(), of_map)
        except (OSError, TorchbeamError, SafetensorError):
            self.keeps = False

    def tidy(self) -> None:
        """Merge small shards into one, and remove what killed processes had not finished."""
        try:
            self._tidy()
        except (OSError, TorchbeamError, SafetensorError):
            self.keeps = False

    def _shards(self) -> list[Path]:
        try:
            return sorted(path for path in self.folder.iterdir() if path.suffix == ".safetensors")
        except OSError:
            return []

    def _read(self, path: Path, wanted: Container[bytes] | None = None) -> "_Shard | None":
        """A shard; None where it is gone or not what was written, which is then taken away. One that has none of the
        wanted pictures is empty: it is not read further."""
        try:
            with safe_open(path, framework="pt") as file:
                told = file.metadata() or {}
                names = file.get_tensor("digests")
                digests = _rows(names)
                if wanted is not None and not any(each in wanted for each in digests):
                    return _Shard([], torch.zeros(0, 0), names[:0], False)
                codes_MD = file.get_tensor("codes")
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError):
            return self._dropped(path)
        digest = tensors_digest({"codes": codes_MD, "digests": names})
        if (told.get("format"), told.get("key"), told.get("sha256")) != (FORMAT, self.key, digest):
            return self._dropped(path)
        if codes_MD.ndim != 2 or codes_MD.dtype != torch.float32 or len(codes_MD) != len(digests):
            return self._dropped(path)
        return _Shard(digests, codes_MD, names, told.get("map") == "yes")

    def _dropped(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()

    def _write(self, names: Tensor, codes_MD: Tensor, of_map: bool) -> Path:
        tensors = {"codes": codes_MD, "digests": names}
        digest = tensors_digest(tensors)
        metadata = {"format": FORMAT, "key": self.key, "sha256": digest, "map": "yes" if of_map else "no"}
        path = self.folder / f"{digest[:32]}.safetensors"
        with whole(path) as beside:
            save_file(tensors, beside, metadata)
        return path

    def _tidy(self) -> None:
        for path in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process has finished it
                if path.name.startswith(".") and time.time() - path.stat().st_mtime > OLD:
                    path.unlink()
        with locked(self.folder / "lock", wait=False) as alone:
            if alone and len(self._shards()) > MANY:
                self._merge()

    def _merge(self) -> None:
        """The small shards as one; a picture that several have comes once."""
        paths, taken = [], 0
        for path in sorted(self._shards(), key=lambda each: each.stat().st_size):
            taken += path.stat().st_size
            if taken > LARGE:
                break
            paths.append(path)
        read = [(path, shard) for path in paths if (shard := self._read(path)) is not None]
        if len(read) < 2:
            return
        shape = read[0][1].codes_MD.shape[1]
        alike = [(path, shard) for path, shard in read if shard.codes_MD.shape[1] == shape]
        once = {
            digest: (number, at) for number, (_, shard) in enumerate(alike) for at, digest in enumerate(shard.digests)
        }
        picked = [[at for own, at in once.values() if own == number] for number in range(len(alike))]
        names = torch.cat([shard.names[rows] for (_, shard), rows in zip(alike, picked, strict=True)])
        codes = torch.cat([shard.codes_MD[rows] for (_, shard), rows in zip(alike, picked, strict=True)])
        made = self._write(names, codes, alike[0][1].map)
        for path, _ in alike:
            if path != made:
                self._dropped(path)


def _with(found: Found, shard: "_Shard", rows: Mapping[bytes, Sequence[int]]) -> Found:
    """What is found, and what a shard has of the rows."""
    pairs = [(row, at) for at, digest in enumerate(shard.digests) for row in rows.get(digest, ())]
    width = shard.codes_MD.shape[1]
    if not pairs or (found.codes_ND is not None and found.codes_ND.shape[1] != width):
        return found
    codes_ND = torch.zeros(len(found.have_N), width) if found.codes_ND is None else found.codes_ND
    to, of = np.array(pairs).T
    codes_ND[torch.from_numpy(to)] = shard.codes_MD[torch.from_numpy(of)]
    found.have_N[to] = True
    return Found(codes_ND, found.have_N, shard.map)


def _rows(names: Tensor) -> list[bytes]:
    """The digests of a tensor M x 32. Raises ValueError for another."""
    if names.dtype != torch.uint8 or names.ndim != 2 or names.shape[1] != DIGEST:
        raise ValueError("no digests")
    flat = names.numpy().tobytes()
    return [flat[at : at + DIGEST] for at in range(0, len(flat), DIGEST)]


@dataclass(frozen=True, slots=True, eq=False)
class _Shard:
    """digests: of each row's picture, and names the same as bytes M x 32."""

    digests: list[bytes]
    codes_MD: Tensor
    names: Tensor
    map: bool
