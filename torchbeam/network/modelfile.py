"""The model file: one .safetensors with the tensors and all that is needed to use them, as JSON; never code.

A file proves itself twice: SHA-256 digests of tensors and metadata, and drawn pictures stored with the
scores the network gave them, which whoever loads the file runs again.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from torchbeam.errors import ModelFileError
from torchbeam.files import write_whole

FORMAT = 1
# Two machines may differ in the last bits of a sum; more than this share of the scores' scale is a fault.
TOLERANCE = 1e-3
_PARTS = ("notation", "classes", "preprocessing", "provenance", "metrics", "calibration", "proofs", "backbone")
_LATER = {"backbone": '""'}  # parts that files of this format did not always have, with what they then mean
_AGAIN = "get or make the file again; it was not loaded"


@dataclass(frozen=True, slots=True)
class Proof:
    """An encoded picture, and the scores that the network gave it in fp32 on the CPU."""

    picture: bytes
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a model file holds. notation: the completed text of the network. calibration: None until measured.
    backbone: '', or the name of another library's network, whose codes the notation takes."""

    tensors: Mapping[str, Tensor]
    notation: str
    classes: tuple[str, ...]
    preprocessing: dict[str, Any]
    provenance: dict[str, Any]
    metrics: dict[str, Any]
    proofs: tuple[Proof, ...]
    calibration: dict[str, Any] | None = None
    backbone: str = ""


def write(path: Path, model: ModelFile) -> None:
    """Write a model file whole or not at all. Raises OutputError or OutOfRoom."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.tensors.items()}
    metadata = {name: json.dumps(_plain(getattr(model, name)), sort_keys=True) for name in _PARTS}
    metadata["format"] = f"torchbeam {FORMAT}"
    metadata["sha256"] = tensors_digest(tensors)
    metadata["metadata_sha256"] = _metadata_digest(metadata)
    write_whole(path, safetensors.torch.save(tensors, metadata))


def read(path: Path) -> ModelFile:
    """Read a model file, or the one in a run folder; both digests are checked. Raises ModelFileError."""
    path = path / "model.safetensors" if path.is_dir() else path
    if not path.is_file():
        raise ModelFileError(
            f"no model file at {path}",
            expected="a .safetensors file that torchbeam wrote, or the run folder that holds it",
            remedy="train one: torchbeam train digits",
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged, or no model file", got=str(error), remedy=_AGAIN) from None
    _check_format(path, metadata)
    if metadata.get("metadata_sha256") != _metadata_digest(metadata):
        raise ModelFileError(f"{path} is damaged: its metadata changed since it was written", remedy=_AGAIN)
    if metadata.get("sha256") != tensors_digest(tensors):
        raise ModelFileError(f"{path} is damaged: its tensors changed since they were written", remedy=_AGAIN)
    try:
        return _model_file(tensors, {name: json.loads((_LATER | metadata)[name]) for name in _PARTS})
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path} is not well formed", got=f"{type(error).__name__}: {error}", remedy=_AGAIN
        ) from None


def replay(path: Path, proofs: Sequence[Proof], scores_of: Callable[[bytes], Sequence[float]]) -> None:
    """Run the stored pictures again: each must give the stored scores within 1e-3 of their scale, and the same
    highest one. Raises ModelFileError."""
    for proof in proofs:
        stored, now = torch.tensor(proof.scores), torch.tensor(list(scores_of(proof.picture)))
        scale = stored.abs().max().clamp_min(1e-6)
        same = stored.shape == now.shape and bool(stored.argmax() == now.argmax())
        if not same or not bool((stored - now).abs().max() <= TOLERANCE * scale):
            raise ModelFileError(
                f"{path} does not compute what it did when it was written",
                expected=f"scores {_short(stored)} for a stored picture",
                got=_short(now),
                remedy="use the versions it was made with (its provenance names them), or train again",
            )


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the tensors in order of name: name, dtype, shape and bytes of each."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _metadata_digest(metadata: Mapping[str, str]) -> str:
    told = sorted((name, text) for name, text in metadata.items() if name != "metadata_sha256")
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _check_format(path: Path, metadata: Mapping[str, str]) -> None:
    maker, _, number = metadata.get("format", "").partition(" ")
    if maker != "torchbeam" or not number.isdecimal():
        raise ModelFileError(
            f"{path} is a safetensors file, but not one of torchbeam's",
            expected="a model file that torchbeam wrote",
        )
    if int(number) > FORMAT:
        raise ModelFileError(
            f"{path} was written by a newer torchbeam",
            expected=f"format {FORMAT} or older",
            got=f"format {number}",
            remedy="update torchbeam",
        )


def _model_file(tensors: dict[str, Tensor], parts: dict[str, Any]) -> ModelFile:
    return ModelFile(
        tensors=tensors,
        notation=str(parts["notation"]),
        classes=tuple(str(name) for name in parts["classes"]),
        preprocessing=dict(parts["preprocessing"]),
        provenance=dict(parts["provenance"]),
        metrics=dict(parts["metrics"]),
        proofs=tuple(
            Proof(base64.b64decode(proof["picture"]), tuple(float(score) for score in proof["scores"]))
            for proof in parts["proofs"]
        ),
        calibration=parts["calibration"],
        backbone=str(parts["backbone"]),
    )


def _plain(value: Any) -> Any:
    """Proofs as JSON can hold them; the rest is plain already."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Proof):
        return {"picture": base64.b64encode(value.picture).decode(), "scores": list(value.scores)}
    return value


def _short(scores: Tensor) -> str:
    text = ", ".join(f"{score:.4g}" for score in scores[:4].tolist())
    return f"[{text}{', ...' if len(scores) > 4 else ''}]"
