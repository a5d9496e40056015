"""evaluate: how good a model file is on labelled pictures. From the model file alone."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torchbeam.data.batches import batches
from torchbeam.data.groups import joined
from torchbeam.data.load import Data, load_data
from torchbeam.data.pixels import Kept, fixed_for
from torchbeam.data.records import PARTS, UNLABELLED, Skipped
from torchbeam.data.split import Split, read_csv, split
from torchbeam.errors import DataError, SettingError
from torchbeam.heap import keep_freed
from torchbeam.jobs.predict import Model, load_model
from torchbeam.jobs.seen import seen_before
from torchbeam.learn.evaluate import EVALUATION_BATCH, Evaluation, evaluate_outputs, outputs_of

CHOICES = ("auto", "all", "train", "val", "test")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A model's result on a part of some data. origin says which pictures these are; warning is '' or what to
    keep in mind; root is the folder finally read."""

    evaluation: Evaluation
    part: str
    origin: str
    warning: str
    root: Path | None
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]

    def to_json(self) -> dict[str, Any]:
        """As `evaluate --json` prints it."""
        return {
            self.part: self.evaluation.to_json() | {"origin": self.origin},
            "warning": self.warning,
            "root": str(self.root) if self.root else None,
            "notes": list(self.notes),
            "skipped": [bad.to_json() for bad in self.skipped],
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
        lines += [f"read from: {self.root}"] if self.root else []
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"set aside: {bad.reason}" for bad in self.skipped]
        return "\n".join(lines + ([f"note: {self.warning}"] if self.warning else []))


def evaluate(
    model: Model | str | Path,
    data: str | Path,
    *,
    part: str = "auto",
    device: str = "auto",
    cache: str | Path | None = None,
) -> Evaluated:
    """Measure a Model, a model file or a run folder on labelled pictures, classes matched by name.

    part: 'train', 'val' or 'test' as the data names them or, for the data the model was trained on, as the run
    split them; 'all'. 'auto' is the test part where there is one, else all pictures the model was not trained or
    chosen on. device: for a model that is read from a file; a Model stays where it is. cache: the folder for what can
    be made again.
    Raises DataError where the data has a class the model does not know, SettingError, ModelFileError.
    """
    if part not in CHOICES:
        raise SettingError(f"part cannot be {part}", expected=" or ".join(CHOICES), remedy="leave --part out")
    ready = model if isinstance(model, Model) else load_model(model, device)
    keep_freed()
    loaded = load_data(data, to_learn=False, cache=cache)
    bare = sum(record.label == UNLABELLED for record in loaded.records)
    if bare:
        raise DataError(
            f"{bare:,} of {len(loaded.records):,} pictures have no class to compare with",
            expected="one class for each picture",
            got=loaded.kind,
            remedy="to have pictures without labels named, use predict",
        )
    unknown = [name for name in loaded.classes if name not in ready.classes]
    if unknown:
        raise DataError(
            f"the model does not know: {', '.join(unknown)}",
            expected=", ".join(ready.classes),
            got=", ".join(loaded.classes),
            remedy="name the folders as the model names its classes, or take them out",
        )
    run = None if isinstance(model, Model) else Path(model)
    chosen, indices, origin, warning = _choose(part, loaded, ready, run)
    size = ready.preprocessing
    pixels = fixed_for(loaded, size, Kept(cache))
    parts = ["" for _ in loaded.records]
    for index in indices:
        parts[index] = chosen
    taken = replace(loaded, split=Split(tuple(parts), {}))
    those = batches(taken, pixels, chosen, EVALUATION_BATCH)
    outputs, labels = outputs_of(ready.network, those, size, ready.device, views=ready.views)
    numbers = [ready.classes.index(name) for name in loaded.classes]
    labels = labels.new_tensor(numbers)[labels]
    majority = ready.classes.index(ready.provenance.get("majority", ready.classes[0]))
    evaluation = evaluate_outputs(outputs, labels, ready.classes, majority)
    return Evaluated(evaluation, chosen, origin, warning, loaded.root, loaded.notes, loaded.skipped)


def _choose(part: str, data: Data, model: Model, run: Path | None) -> tuple[str, list[int], str, str]:
    """(part, indices of its pictures, what they are, what to keep in mind)."""
    parts = _parts(data, model, run)
    seen = seen_before(model.provenance.get("seen", ""), data.digests)
    if part == "auto" and "test" in parts.origins and all(parts.parts):
        part = "test"
    if part in ("auto", "all"):
        indices, origin = list(range(len(data.records))), "all pictures there are"
    elif part in parts.origins:
        indices, origin = parts.indices(part), parts.origins[part]
    else:
        raise DataError(
            f"the data has no {part} part",
            expected=" or ".join(sorted(name for name in parts.origins if name)) or "--part all",
            remedy="name a part it has, or --part all",
        )
    known = sum(seen[index] for index in indices)
    if part == "auto" and 0 < known < len(indices):
        fresh = [index for index in indices if not seen[index]]
        return "all", fresh, f"all but {known:,} pictures that the model was trained or chosen on", ""
    warning = ""
    if known:
        warning = f"the model was trained or chosen on {known:,} of these pictures: the figure is too good for new ones"
    return "all" if part == "auto" else part, indices, origin, warning


def _parts(data: Data, model: Model, run: Path | None) -> Split:
    """The parts of the data as named; those of the run where it is the very data the model was trained on."""
    for told in (_by_rule(data), _as_the_run_kept(data, run)):
        if told is not None and data.digest(told) == model.provenance.get("data_sha256"):
            return told
    return data.split


def _as_the_run_kept(data: Data, run: Path | None) -> Split | None:
    """The parts that the split.csv beside the model file names, '' for pictures that are not in it."""
    file = None if run is None else (run if run.is_dir() else run.parent) / "split.csv"
    if file is None or not file.is_file():
        return None
    rows = read_csv(file)
    parts = tuple(rows.part(record.path, digest) for record, digest in zip(data.records, data.digests, strict=True))
    return Split(parts, dict.fromkeys(PARTS, "as the run split the data"))


def _by_rule(data: Data) -> Split | None:
    try:
        return split(data.records, data.digests, joined(data.groups))
    except DataError:  # too few pictures to split: not what a run was made of
        return None
