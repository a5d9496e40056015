"""transfer: a pretrained backbone carried over to a place with pictures, by the strategy that measuring favours."""

import csv
import time as clock
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torchbeam.data.batches import WORKERS
from torchbeam.data.exclude import read as read_excluded
from torchbeam.data.load import Data, load_data
from torchbeam.data.pixels import Kept
from torchbeam.data.store import CACHE_SIZE
from torchbeam.design.arguments import nearest
from torchbeam.design.ledger import ledger
from torchbeam.design.notation import write
from torchbeam.design.stages import CODES, find_stage
from torchbeam.errors import DataError, Diverged, SettingError
from torchbeam.heap import keep_freed
from torchbeam.jobs.amounts import human_bytes
from torchbeam.jobs.choosebackbone import backbone_for
from torchbeam.jobs.ground import Ground, advice_for, ground_of
from torchbeam.jobs.headed import POOLINGS, headed
from torchbeam.jobs.learning import headline
from torchbeam.jobs.predict import Model, save_model
from torchbeam.jobs.progress import Progress
from torchbeam.jobs.runfolder import RunFolder, check_free, run_folder
from torchbeam.jobs.settings import Setting, Settings, cache_bytes, check_told
from torchbeam.jobs.train import write_beginning, write_config
from torchbeam.jobs.transferpage import transfer_page
from torchbeam.jobs.transferred import Held, Rival, Transferred
from torchbeam.jobs.tuned import Tuned, tuned
from torchbeam.jobs.tuning import Tuning, weights_of
from torchbeam.jobs.work import name_of, provenance_of
from torchbeam.learn.adviser import MODES, Advice, Place, doing
from torchbeam.learn.codes import Codes
from torchbeam.learn.evaluate import evaluate_outputs, wilson
from torchbeam.learn.heads import Head, fit_head

CHOICES = ("auto", *MODES)


def transfer(
    data: str | Path,
    *,
    backbone: str | None = None,
    weights: str | Path | None = None,
    mode: str | None = None,
    stage: str | None = None,
    keep_worse: bool = False,
    size: str | None = None,
    epochs: int | None = None,
    time: str | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    augment: str | None = None,
    optimiser: str | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    device: str | None = None,
    workers: int | None = None,
    exclude: str | Path | None = None,
    group_by: str | None = None,
    split: str | Path | None = None,
    cache: str | Path | None = None,
    cache_size: str | None = None,
    show: bool = True,
) -> Transferred:
    """Carry a pretrained network over to the pictures at `data` and measure it on the test part.

    backbone: a network of the zoo ('mobilenet-v2'), a model file or a run folder; None for the best that finishes in
    about a minute here. weights: a file of them, else those that were published are fetched.
    mode: 'auto' asks the adviser; 'codes' and 'stage' put a linear head on the codes or on `stage`; 'finetune' learns
    on through the network, from `stage` on (None for all of it); 'scratch' trains everything from the pretrained start.
    size: '96' or '96x64' pixels. epochs, time, batch_size, lr, augment, optimiser: of fine-tuning, as in `train`; what
    else there is means what it means there.

    Choices are made by cross-validation on all that is not for the test; between a linear head and fine-tuning, on the
    validation part. A strategy that ends up worse than the linear head on the codes is not kept, and that is said;
    keep_worse: it is. Beside what `train` leaves there is test.csv, a line for each test picture. Raises Mistake
    for what the user can mend, Diverged, OutOfRoom.
    """
    begun = clock.time()
    mode = _mode(mode, stage)
    told = Settings(
        net=None,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        seed=seed,
        size=size,
        fit=None,
        device=device,
        augment=augment,
        workers=workers,
        exclude=exclude,
        group_by=group_by,
        split=split,
        cache=cache,
        cache_size=cache_size,
        tuning=Tuning(optimiser=optimiser, time=time),
    )
    place = check_told(told)
    check_free(out)
    progress = Progress(show)
    progress.screen.note(f"reading {data}")
    keep_freed()
    loaded = load_data(
        data,
        exclude=None if exclude is None else read_excluded(Path(exclude)),
        group_by=group_by,
        split_from=split,
        cache=cache,
        watch=progress.screen.watch,
    )
    _check_enough(loaded)
    base, preprocessing = backbone_for(backbone, weights, len(loaded.records), size, cache, progress.screen, place)
    if stage is not None:
        find_stage(base.stages, stage)
    kept = Kept(cache, cache_bytes(cache_size or human_bytes(CACHE_SIZE)))
    progress.looked_at(loaded, [])
    folder = replace(run_folder(out, name_of(loaded.place)), started=begun)
    write_beginning(folder, loaded)
    settings = {
        "backbone": Setting(base.name, "auto" if backbone is None else "flag", {"digest": base.digest}),
        "weights": Setting(None if weights is None else str(weights), "default" if weights is None else "flag"),
        "mode": Setting(mode or "auto", "default" if mode is None else "flag"),
        "stage": Setting(stage, "default" if stage is None else "flag"),
    }
    ground = ground_of(
        loaded, base, preprocessing, place, kept, WORKERS if workers is None else workers, seed or 0, progress.screen
    )
    return _Carrying(ground, folder, told, settings, progress).out(mode, stage, keep_worse)


@dataclass(frozen=True, slots=True)
class _Linear:
    """A linear head at a place of the backbone, fitted on all that is not for the test."""

    place: Place
    head: Head
    codes: Codes

    def given(self, rows: Any) -> Tensor:
        """What the head reads of some of the pictures."""
        return _picked(self.codes, self.place)[rows]


@dataclass(frozen=True, slots=True)
class _Carrying:
    """A transfer under way."""

    ground: Ground
    folder: RunFolder
    told: Settings
    settings: dict[str, Setting]
    progress: Progress

    def out(self, mode: str | None, stage: str | None, keep_worse: bool) -> Transferred:
        """From the advice to the report."""
        advice = advice_for(self.ground, self.progress.screen) if mode in (None, "auto", "stage") else None
        if advice is not None:
            self.folder.log("advice", advice.to_json())
            if mode in (None, "auto"):
                self.progress.screen.note(f"\n{advice}\n")
        asked = advice is not None and mode in (None, "auto")
        chosen = self._possible(advice.mode if advice is not None and asked else mode or "codes", asked)
        place = _place(advice, chosen, stage)
        linear, rivals = self._linear(place, keep_worse)
        self.folder.log("head", linear.head.to_json() | {"place": str(linear.place)})
        if chosen in ("codes", "stage"):
            return self._measured(linear, None, advice if asked else None, rivals)
        run, rivals = self._tuned(chosen, stage, keep_worse)
        return self._measured(linear, run, advice if asked else None, rivals)

    def _possible(self, mode: str, asked: bool) -> str:
        """The mode, or that on the codes where a backbone of another library can do no more."""
        if self.ground.backbone.design is not None or mode == "codes":
            return mode
        why = f"{self.ground.backbone.name} has no text in the notation, so it can neither be cut nor trained on"
        if not asked:
            raise SettingError(why, expected="--mode codes, or a backbone of the zoo", got=f"--mode {mode}")
        self.progress.screen.note(f"{why}: a linear head on its codes")
        return "codes"

    def _linear(self, place: Place, keep_worse: bool) -> tuple[_Linear, tuple[Rival, ...]]:
        """The linear head there; where an earlier stage was chosen, the better one of it and the codes."""
        found = self._fitted(place)
        if place.stage == CODES:
            return found, ()
        plain = self._fitted(_CODES)
        n = len(found.codes.samples)
        worse = (found.head.accuracy or 0.0) < (plain.head.accuracy or 0.0)
        kept = plain if worse and not keep_worse else found
        rivals = tuple(
            Rival(what, one.head.accuracy or 0.0, n, one is kept)
            for what, one in ((f"a linear head on {place}", found), (_ON_CODES, plain))
        )
        if worse:
            what = "kept all the same" if keep_worse else "not kept"
            self.progress.screen.note(f"the head on {place} is worse than that on the codes: {what}")
        return kept, rivals

    def _fitted(self, place: Place) -> _Linear:
        ground = self.ground
        samples = ground.samples("train", "val")
        codes = ground.codes(np.concatenate([samples, ground.samples("test")]), [place.stage], self.progress.screen)
        given = _picked(codes, place)[: len(samples)]
        weights, _ = weights_of("auto", ground.data.counts("train"))
        head = fit_head(
            given,
            ground.labels(samples),
            ground.data.classes,
            class_weights=weights or None,
            seed=ground.seed,
            groups=ground.groups(samples),
        )
        accuracy = "" if head.accuracy is None else f", {head.accuracy:.1%} right in cross-validation"
        self.progress.screen.note(f"linear head on {place}: {head.kind}, C {head.strength:.2g}{accuracy}")
        for note in head.notes:
            self.progress.screen.note(f"  note: {note}")
        return _Linear(place, head, codes)

    def _tuned(self, mode: str, stage: str | None, keep_worse: bool) -> tuple[Tuned | None, tuple[Rival, ...]]:
        """The network trained on from the codes' head, compared on validation with a head that has not seen it."""
        ground = self.ground
        learnt, held = ground.samples("train"), ground.samples("val")
        codes = ground.codes(np.concatenate([learnt, held]), [CODES], self.progress.screen).vectors[CODES]
        weights, _ = weights_of("auto", ground.data.counts("train"))
        begun = fit_head(
            codes[: len(learnt)],
            ground.labels(learnt),
            ground.data.classes,
            class_weights=weights or None,
            seed=ground.seed,
            groups=ground.groups(learnt),
        )
        network, design = headed(ground.backbone, CODES, "", begun)
        start = None if stage is None else _first_of(ground.backbone, stage, network)
        labels = torch.from_numpy(ground.labels(held))
        plain = (begun.scores(codes[len(learnt) :]).argmax(1) == labels).double().mean().item()
        try:
            run = tuned(ground, network, design, mode, start, self.told, self.settings, self.folder, self.progress)
        except Diverged as error:
            self.progress.screen.note(f"{doing(mode, None)} is not kept: {error.what}")
            rivals = (Rival(doing(mode, None), 0.0, len(held), False), Rival(_ON_CODES, plain, len(held), True))
            return None, rivals
        scores, truth = run.scores("val")
        own = (scores.argmax(1) == truth).double().mean().item()
        worse = own < plain
        keep = keep_worse or not worse
        what = doing(mode, None)
        rivals = (
            Rival(what, own, len(held), keep),
            Rival(_ON_CODES, plain, len(held), not keep),
        )
        said = f"{what}: {own:.1%} on validation, a linear head on the codes {plain:.1%}"
        if worse:
            said += "; it is worse, and kept all the same" if keep_worse else "; it is worse, and not kept"
        self.progress.screen.note(said)
        return (run if keep else None), rivals

    def _measured(
        self, linear: _Linear, run: Tuned | None, advice: Advice | None, rivals: tuple[Rival, ...]
    ) -> Transferred:
        """The model that is kept, on the test part, which is read here for the first and only time."""
        ground, folder = self.ground, self.folder
        data = ground.data
        learnt, tested = ground.samples("train", "val"), ground.samples("test")
        if run is None:
            network, design = headed(ground.backbone, linear.place.stage, linear.place.pooling, linear.head)
            scores = linear.head.scores(linear.given(slice(len(learnt), None)))
            labels = torch.from_numpy(ground.labels(tested))
            mode, stage = "codes" if linear.place.stage == CODES else "stage", str(linear.place)
            validation = _crossed(linear.head, len(learnt))
            preprocessing = ground.preprocessing
            if not (folder.path / "config.json").exists():
                write_config(folder, self._settings(), data.place)
        else:
            network, design = run.model.network, run.model.design
            scores, labels = run.scores("test")
            mode, stage = self._mode_of(run), ""
            shown = next(rival for rival in rivals if rival.kept)
            right = round(shown.accuracy * shown.n)
            validation = Held(shown.accuracy, shown.n, wilson(right, shown.n), data.split.origins["val"])
            preprocessing = run.model.preprocessing
        majority = int(np.argmax(data.counts("train")))
        test = evaluate_outputs(scores, labels, data.classes, majority)
        metrics = {"test": headline(test), "validation": validation.to_json()}
        origin = provenance_of(data, folder, ground.seed) | {
            "backbone": {"name": ground.backbone.name, "sha256": ground.backbone.digest},
            "transfer": mode,
        }
        other = ground.backbone.name if ground.backbone.design is None else ""
        save_model(Model(network, design, data.classes, preprocessing, origin, metrics, backbone=other), folder.model)
        book = ledger(design)
        made = Transferred(
            out=folder.path,
            test=test,
            validation=validation,
            mode=mode,
            stage=stage,
            backbone=ground.backbone.name,
            advice=advice,
            rivals=rivals,
            head=linear.head.to_json() | {"place": str(linear.place)} if run is None else None,
            notes=tuple(linear.head.notes) if run is None else run.notes,
            classes=data.classes,
            text=write(design),
            parameters=book.parameters,
            origins=data.split.origins,
            skipped=len(data.skipped),
            seconds=folder.seconds(),
        )
        folder.write_json("summary.json", made.to_json())
        folder.log("test", headline(test))
        folder.write("test.csv", _called(data, tested.tolist(), scores, labels))
        codes = ground.codes(np.concatenate([learnt, tested]), [CODES], self.progress.screen)
        folder.write("report.html", transfer_page(made, ground, run, book, codes.vectors[CODES], scores, labels))
        return made

    def _settings(self) -> dict[str, Setting]:
        ground = self.ground
        preprocessing = Setting(ground.preprocessing.to_json(), "auto")
        way = Setting(ground.way.to_json(), "auto", {"reason": ground.reason})
        told = {
            name: Setting(None if value is None else str(value), "default" if value is None else "flag")
            for name, value in (
                ("exclude", self.told.exclude),
                ("group_by", self.told.group_by),
                ("split", self.told.split),
                ("cache", self.told.cache),
                ("cache_size", self.told.cache_size),
                ("size", self.told.size),
            )
        }
        seed = Setting(ground.seed, "default" if self.told.seed is None else "flag")
        device = Setting(str(ground.place), "auto" if self.told.device is None else "flag")
        return self.settings | told | {"seed": seed, "device": device, "preprocessing": preprocessing, "way": way}

    def _mode_of(self, run: Tuned) -> str:
        return "finetune" if run.work.objective.plan.rates else "scratch"


_ON_CODES = "a linear head on the codes"
_CODES = Place(CODES, "", 0, 0.0, 0.0)


def _picked(codes: Codes, place: Place) -> Tensor:
    """The columns that a head at a place reads."""
    if place.stage not in codes.maps:
        return codes.vectors[place.stage]
    return codes.part(place.stage, *POOLINGS[place.pooling])


def _place(advice: Advice | None, mode: str, stage: str | None) -> Place:
    """Where a linear head goes: the stage named, in the pooling that its probes favour; the adviser's; the codes."""
    if advice is None or mode != "stage":
        return _CODES
    if stage is not None:
        return next(place for place in advice.places if place.stage == stage.lower())
    if advice.best.stage != CODES:
        return advice.best
    return max(advice.places[:-1], key=lambda place: place.accuracy, default=_CODES)


def _first_of(backbone: Any, stage: str, network: nn.Module) -> str:
    """The first layer with weights behind the stage before the one named."""
    names = [each.name for each in backbone.stages]
    at = names.index(stage.lower())
    children = [name for name, child in network.named_children() if any(True for _ in child.parameters())]
    if at == 0:
        return children[0]
    every = [name for name, _ in network.named_children()]
    behind = every.index(backbone.stages[at - 1].layer) + 1
    return next(name for name in every[behind:] if name in children)


def _called(data: Data, samples: list[int], scores_NK: Tensor, labels_N: Tensor) -> str:
    """test.csv: what each test picture is and was called, and with which probability."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "class", "called", "probability"))
    probability, called = scores_NK.softmax(1).max(1)
    for sample, label, own, share in zip(
        samples, labels_N.tolist(), called.tolist(), probability.tolist(), strict=True
    ):
        writer.writerow((data.records[sample].path, data.classes[label], data.classes[own], f"{share:.4f}"))
    return text.getvalue()


def _crossed(head: Head, n: int) -> Held:
    """The head's accuracy in cross-validation."""
    accuracy = head.accuracy or 0.0
    held = "cross-validation on all that is not for the test" if head.accuracy is not None else "no picture held out"
    return Held(accuracy, n, wilson(round(accuracy * n), n), held)


def _mode(mode: str | None, stage: str | None) -> str | None:
    """Refuses, before anything is read, what cannot be meant."""
    if mode is not None and mode not in CHOICES:
        raise SettingError(f"no mode {mode}", expected=", ".join(CHOICES), remedy=nearest(mode, CHOICES))
    if stage is not None and mode in (None, "auto", "codes", "scratch"):
        raise SettingError(
            f"a stage has no use with --mode {mode or 'auto'}",
            expected="--mode stage, whose head reads that stage, or --mode finetune, which begins there",
            got=f"--stage {stage}",
        )
    return mode


def _check_enough(data: Data) -> None:
    """Refuses data from which not even a linear head can be learnt."""
    learnt = sum(part != "test" for part in data.split.parts)
    if learnt < len(data.classes) or len(data.classes) < 2:
        raise DataError(
            f"{learnt:,} pictures to learn from are fewer than the {len(data.classes):,} classes",
            expected="at least one picture of each class, better twenty",
            remedy="add pictures, or leave classes out",
        )
