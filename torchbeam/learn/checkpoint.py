"""The state of a run: all that resume needs, kept on disk so that it outlives a process killed at any moment.

A state is never written over. Each is a file with a number of its own, written beside, flushed, and given its name at
once; only then is the one before the last removed. So the last state saved is there whole whatever happens, and the
one before it too, for a disk that damages the last.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from torchbeam.errors import StateError
from torchbeam.files import cannot_write, whole
from torchbeam.network.modelfile import tensors_digest

FORMAT = 1
KEPT = 2
_NAME = re.compile(r"state-([0-9]+)\.safetensors")


@dataclass(frozen=True, slots=True)
class State:
    """tensors: by name, of any dtype, device and order in memory. told: what JSON can hold; by its `step`, where it
    has one, a note names the state."""

    tensors: Mapping[str, Tensor]
    told: dict[str, Any]


def save(folder: Path, state: State) -> None:
    """Save a state in `folder`, which is made where there is none, and keep the one before it.

    The folder is for states alone, and for one process at a time: what a killed one left half-written is removed.
    Raises OutOfRoom or OutputError; the states saved before are then as they were.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _tidy(folder)
        number = max(_saved(folder), default=0) + 1
    except OSError as error:
        raise cannot_write(folder, error) from error
    path = folder / f"state-{number}.safetensors"
    tensors = _flat(state.tensors)
    held = {"told": state.told, "strides": _strides(state.tensors), "tensors": tensors_digest(tensors)}
    metadata = {"format": f"torchbeam-state {FORMAT}", "held": json.dumps(held)}
    metadata["sha256"] = _header_digest(metadata)
    with whole(path) as beside:
        _write(beside, tensors, metadata)
    try:
        _tidy(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error


def load(folder: Path) -> tuple[State, str]:
    """The newest good state in `folder`, and a note: a sentence where a newer one is damaged, else ''.

    Tensors come back on the CPU, each with the strides that it had (one with gaps in memory: as its clone would lie).
    Raises StateError where there is no good state, or where the newest was written by a newer torchbeam.
    """
    try:
        saved = _saved(folder)
    except OSError as error:
        raise _nothing(folder, error.strerror or str(error)) from None
    if not saved:
        raise _nothing(folder, "nothing there")
    faults: list[str] = []
    for number in sorted(saved, reverse=True):
        found = _read(saved[number])
        if isinstance(found, State):
            return found, _note(faults, found)
        faults.append(f"{saved[number].name}: {found}")
    raise StateError(
        f"no state in {folder} is as it was saved",
        expected="the bytes that were written",
        got="\n".join(faults),
        remedy="put the files back from a copy, or train anew",
    )


def _saved(folder: Path) -> dict[int, Path]:
    """The states in a folder by number, the newest with the highest; what a killed process left is none."""
    found = ((path, _NAME.fullmatch(path.name)) for path in folder.iterdir())
    return {int(name[1]): path for path, name in found if name}


def _tidy(folder: Path) -> None:
    """Remove all states but the last two, and what processes that were killed had not finished writing."""
    saved = _saved(folder)
    for number in sorted(saved)[:-KEPT]:
        saved[number].unlink()
    for path in folder.iterdir():
        if path.name.startswith("."):  # `whole` and safetensors begin the names of unfinished files so
            with contextlib.suppress(OSError):
                path.unlink()


def _flat(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as the format takes them: on the CPU, without gaps, the last axis fastest, none on another's
    memory."""
    flat: dict[str, Tensor] = {}
    memory: set[int] = set()
    for name, tensor in tensors.items():
        held = tensor.detach().cpu().contiguous()
        place = held.untyped_storage().data_ptr()
        flat[name] = held.clone() if place in memory else held
        memory.add(place)
    return flat


def _strides(tensors: Mapping[str, Tensor]) -> dict[str, list[int]]:
    """The strides of the tensors that lie in another order than the format's, such as channels_last.

    A 1x1 filter's two orders are the same bytes and still other strides, by which torch chooses its algorithms.
    """
    kept: dict[str, list[int]] = {}
    for name, tensor in tensors.items():
        strides = _as_cloned(tensor)
        if strides != torch.empty(tensor.shape, device="meta").stride():
            kept[name] = list(strides)
    return kept


def _laid(tensor: Tensor, strides: list[int] | None) -> Tensor:
    """The tensor in the order in memory it was saved from. Raises ValueError for strides that leave gaps or overlap."""
    if strides is None:
        return tensor
    planned = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device="meta")
    if _as_cloned(planned) != planned.stride():
        raise ValueError(f"strides {strides} for shape {tuple(tensor.shape)}")
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)


def _as_cloned(tensor: Tensor) -> tuple[int, ...]:
    """The strides of a tensor's clone: its own, unless it has gaps or overlaps."""
    return torch.empty_like(tensor, device="meta", memory_format=torch.preserve_format).stride()


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    path.touch()
    mode = path.stat().st_mode
    try:
        # Straight from the tensors' memory; by way of one bytes object it would take four times as long.
        safetensors.torch.save_file(tensors, path, metadata)
    except SafetensorError as error:  # which names the system's error only in its words
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from None
    path.chmod(mode)  # safetensors leaves a file that its owner alone may read, unlike the rest of a run


def _read(path: Path) -> State | str:
    """A state, or why it is not as it was written. Raises StateError where a newer torchbeam wrote it."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            if metadata.get("sha256") != _header_digest(metadata):
                return "its header changed since it was written"
            _check_format(path, metadata["format"])
            held = json.loads(metadata["held"])
            # Cloned, so that what is proven below is memory of our own and no more a file that may change.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        if tensors_digest(tensors) != held["tensors"]:
            return "its tensors changed since they were written"
        strides: dict[str, list[int]] = held["strides"]
        return State({name: _laid(tensor, strides.get(name)) for name, tensor in tensors.items()}, dict(held["told"]))
    except (SafetensorError, OSError, LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        return str(error).partition("\n")[0] or type(error).__name__


def _check_format(path: Path, told: str) -> None:
    maker, _, number = told.partition(" ")
    if maker != "torchbeam-state" or not number.isdecimal():
        raise ValueError("no state of torchbeam's")
    if int(number) > FORMAT:
        raise StateError(
            f"{path} was saved by a newer torchbeam",
            expected=f"format {FORMAT} or older",
            got=f"format {number}",
            remedy="update torchbeam",
        )


def _header_digest(metadata: Mapping[str, str]) -> str:
    """SHA-256 of what the header tells: the format, and one text that holds the digest of the tensors too."""
    return hashlib.sha256(f"{metadata.get('format')}\n{metadata.get('held')}".encode()).hexdigest()


def _note(faults: list[str], used: State) -> str:
    if not faults:
        return ""
    which = "the newest state is" if len(faults) == 1 else f"the newest {len(faults)} states are"
    step = used.told.get("step")
    origin = "" if step is None else f", from step {step},"
    return f"{which} damaged ({'; '.join(faults)}); the one before{origin} is used"


def _nothing(folder: Path, got: str) -> StateError:
    return StateError(
        f"no saved state in {folder}",
        expected="the files that a run saves to go on from",
        got=got,
        remedy="name the folder of a run that was stopped, or train anew",
    )
