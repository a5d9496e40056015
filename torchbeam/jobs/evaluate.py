"""evaluate: how good a model file is on labelled pictures. From the model file alone."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torchbeam.data.batches import batches, sized
from torchbeam.data.load import Data, load_data
from torchbeam.data.records import Skipped
from torchbeam.data.split import Split, split
from torchbeam.design.volume import Volume
from torchbeam.errors import DataError, SettingError
from torchbeam.jobs.predict import Model, load_model
from torchbeam.learn import device as devices
from torchbeam.learn.evaluate import EVALUATION_BATCH, Evaluation, evaluate_outputs, outputs_of

PARTS = ("auto", "all", "train", "val", "test")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A model's result on a part of some data. origin says which pictures these are; warning is '' or what to
    keep in mind."""

    evaluation: Evaluation
    part: str
    origin: str
    warning: str
    skipped: tuple[Skipped, ...]

    def to_json(self) -> dict[str, Any]:
        """As `evaluate --json` prints it."""
        return {
            self.part: self.evaluation.to_json() | {"origin": self.origin},
            "warning": self.warning,
            "skipped": [{"path": bad.path, "reason": bad.reason} for bad in self.skipped],
        }

    def __str__(self) -> str:
        """Accuracy, interval and baseline, and a line for each class."""
        result = self.evaluation
        low, high = result.interval
        width = max(len(score.name) for score in result.classes)
        lines = [
            f"{result.accuracy:.2%} of {result.n:,} pictures right "
            f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %, baseline {result.baseline:.1%}): {self.origin}",
            "",
            f"{'class':<{max(width, 5)}}  pictures  precision  recall      F1",
        ]
        for score in result.classes:
            shares = (f"{'none' if v is None else f'{v:.1%}':>9}" for v in (score.precision, score.recall, score.f1))
            lines.append(f"{score.name:<{max(width, 5)}}  {score.n:>8,}" + "".join(shares))
        lines += [f"set aside: {bad.reason}" for bad in self.skipped]
        return "\n".join(lines + ([f"note: {self.warning}"] if self.warning else []))


def evaluate(model: Model | str | Path, data: str | Path, *, part: str = "auto", device: str = "auto") -> Evaluated:
    """Measure a Model, a model file or a run folder on labelled pictures, classes matched by name.

    part: 'train', 'val' or 'test' as the data names them or, for the data the model was trained on, as the run
    split them; 'all'. 'auto' is the test part where there is one, else all pictures.
    Raises DataError where the data has a class the model does not know, SettingError, ModelFileError.
    """
    if part not in PARTS:
        raise SettingError(f"part cannot be {part}", expected=" or ".join(PARTS))
    ready = model if isinstance(model, Model) else load_model(model, device)
    loaded = load_data(data, to_learn=False)
    parts, own = _parts(loaded, ready)
    chosen, origin = _choose(part, parts)
    unknown = [name for name in loaded.classes if name not in ready.classes]
    if unknown:
        raise DataError(
            f"the model does not know: {', '.join(unknown)}",
            expected=", ".join(ready.classes),
            got=", ".join(loaded.classes),
            remedy="name the folders as the model names its classes, or take them out",
        )
    warning = ""
    if own and chosen in ("all", "train"):
        warning = "the model was trained on these very pictures: the figure says little about new ones"
    place = devices.choose(device)
    size = ready.preprocessing
    pixels = sized(loaded, Volume(size.depth, size.height, size.width))
    taken = replace(loaded, split=parts if chosen != "all" else _all(loaded))
    outputs, labels = outputs_of(ready.network, batches(taken, pixels, chosen, EVALUATION_BATCH), size, place)
    numbers = [ready.classes.index(name) for name in loaded.classes]
    labels = labels.new_tensor(numbers)[labels]
    majority = ready.classes.index(ready.provenance.get("majority", ready.classes[0]))
    evaluation = evaluate_outputs(outputs, labels, ready.classes, majority)
    return Evaluated(evaluation, chosen, origin, warning, loaded.skipped)


def _parts(data: Data, model: Model) -> tuple[Split, bool]:
    """The parts of the data, and whether the model was trained on it: then they are the run's own."""
    try:
        by_rule = split(data.records, data.digests)
    except DataError:  # too few pictures to split: not what a run was made of
        return data.split, False
    own = data.digest(by_rule) == model.provenance.get("data_sha256")
    return (by_rule, True) if own else (data.split, False)


def _choose(part: str, parts: Split) -> tuple[str, str]:
    there = parts.origins
    if part == "auto":
        part = "test" if "test" in there else "all"
    if part == "all":
        return "all", "all pictures there are"
    if part not in there:
        raise DataError(
            f"the data has no {part} part",
            expected=" or ".join(sorted(name for name in there if name)) or "--part all",
            remedy="name a part it has, or --part all",
        )
    return part, there[part]


def _all(data: Data) -> Split:
    return Split(("all",) * len(data.records), {"all": "all pictures there are"})
