"""A prepared run, learnt and measured: the loop's records read, the best model and the state kept, the result told."""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from torchbeam.design.notation import write
from torchbeam.errors import TorchbeamError
from torchbeam.jobs.alone import alone
from torchbeam.jobs.predict import Model, load_model, save_model
from torchbeam.jobs.progress import Progress
from torchbeam.jobs.runfolder import RunFolder
from torchbeam.jobs.settings import Setting
from torchbeam.jobs.stopping import Stopping
from torchbeam.jobs.tensorboard import write_events
from torchbeam.jobs.trained import Trained
from torchbeam.jobs.tuning import seconds_of
from torchbeam.jobs.work import Work, learner_for, provenance
from torchbeam.learn.checkpoint import State, save
from torchbeam.learn.doctor import Doctor
from torchbeam.learn.evaluate import Evaluation, evaluate_outputs, outputs_of, worst_mistakes
from torchbeam.learn.learner import Learner, Step
from torchbeam.learn.loop import Epoch, Lowered, Record, learn
from torchbeam.learn.rate import RangeTest
from torchbeam.learn.signs import Finding, blind_loss
from torchbeam.learn.views import Views
from torchbeam.network.modelfile import tensors_digest
from torchbeam.report.figures import first_filters
from torchbeam.report.offline import PICTURE_PIXELS
from torchbeam.report.page import Shown, Told, page

MISTAKES_SHOWN = 24


@dataclass(slots=True)
class Story:
    """The epochs of a run, over all its sittings, and which was the best: the highest validation score, among equals
    the lowest validation loss."""

    epochs: list[Epoch] = field(default_factory=list)
    best: Epoch | None = None

    def add(self, epoch: Epoch) -> bool:
        """Whether it is the best so far."""
        self.epochs.append(epoch)
        better = self.best is None or _rank(epoch) > _rank(self.best)
        self.best = epoch if better else self.best
        return better

    def to_json(self) -> list[dict[str, Any]]:
        """As a state keeps it."""
        return [asdict(epoch) for epoch in self.epochs]


def story_of(told: list[dict[str, Any]]) -> Story:
    """A story as a state keeps it."""
    story = Story()
    for epoch in told:
        story.add(Epoch(**epoch))
    return story


def _rank(epoch: Epoch) -> tuple[float, float]:
    return epoch.validation_score, -epoch.validation_loss


def run(work: Work, progress: Progress, state: State | None = None) -> Trained:
    """Learn to the end of the plan, from the state where there is one; keep the best, measure it, tell it."""
    threads = torch.get_num_threads()
    try:
        story, last = _sitting(work, progress, state)
        return _measured(work, story, last)
    finally:
        torch.set_num_threads(threads)  # the way's are this run's alone


def learnt(work: Work, progress: Progress) -> Story:
    """Learn to the end of the plan, keeping the best; nothing is measured on the test part."""
    threads = torch.get_num_threads()
    try:
        with alone(work.folder.path):
            return _sitting(work, progress, None)[0]
    finally:
        torch.set_num_threads(threads)


def _sitting(work: Work, progress: Progress, state: State | None) -> tuple[Story, str]:
    """(the epochs, the digest of the last weights) of a run that learns to its end."""
    place = work.objective.device
    with torch.random.fork_rng([place] if place.type == "cuda" else []):  # the caller's random numbers stay
        learner, story = learner_of(work, state)
        _learnt(work, learner, story, progress)
    last = tensors_digest(work.network.state_dict())
    work.folder.log("end", {"steps": learner.step, "weights_sha256": last})
    return story, last


def learner_of(work: Work, state: State | None) -> tuple[Learner, Story]:
    """The network in training as it was left, or as it begins."""
    parts, task, plan = work.inner.parts, work.objective.task, work.objective.plan
    weights: tuple[float, ...] = getattr(task, "weights", ())
    doctor = Doctor(
        len(work.data.classes),
        plan.lr,
        parts.training,
        parts.validation,
        weighted=bool(weights),
        blind=blind_loss(work.data.counts("train"), work.settings["label_smoothing"].value, weights),
    )
    learner = learner_for(work, doctor)
    if state is None:
        return learner, Story()
    learner.restore(state)
    return learner, story_of(state.told["story"])


def _learnt(work: Work, learner: Learner, story: Story, progress: Progress) -> None:
    """Reads the loop to its end; after each epoch that is the best so far the model file is written anew, and the
    state every now and then. When the run is stopped the state of that very step is kept, and where no epoch is over
    yet, the weights of the moment as the model."""
    folder = work.folder
    views = Views(work.settings["views"].value)
    model = Model(
        work.network, work.design, work.data.classes, work.objective.preprocessing, provenance(work), {}, views
    )
    every = seconds_of(work.settings["state_every"].value)
    records = learn(learner, work.inner.parts.training, work.inner.parts.validation)
    kept = time.monotonic()
    try:
        with progress, Stopping() as stopping:
            for record in records:
                _tell(record, work, story, model, progress)
                stopping.obey()
                if isinstance(record, Step) and time.monotonic() - kept > every:
                    save(folder.state, state_of(learner, story, work))
                    kept = time.monotonic()
            save(folder.state, state_of(learner, story, work))
    except BaseException as error:
        _left(error, records, learner, story, work, model, progress)
        raise


def state_of(learner: Learner, story: Story, work: Work) -> State:
    """All that going on needs: the learner's state, the epochs so far, and what the pictures were."""
    state = learner.state()
    more = {
        "story": story.to_json(),
        "data_sha256": work.data.digest(work.data.split),
        "preprocessing": work.objective.preprocessing.to_json(),
    }
    return State(state.tensors, state.told | more)


def _tell(record: Record, work: Work, story: Story, model: Model, progress: Progress) -> None:
    """One record in the log and on the screen; the model file where it is the best epoch."""
    progress.show(record)
    if isinstance(record, Epoch):
        better = story.add(record)
        work.folder.log("epoch", asdict(record) | {"best": better})
        progress.epoch(record, better)
        if better:
            measured = {"accuracy": record.validation_score, "loss": record.validation_loss}
            save_model(replace(model, metrics={"validation": measured}), work.folder.model)
    elif isinstance(record, Lowered):
        work.folder.log("lowered", asdict(record))
        progress.lowered(record)
    elif isinstance(record, Finding):
        work.folder.log("finding", record.to_json())
        progress.finding(record)


def _left(
    error: BaseException,
    records: Iterator[Record],
    learner: Learner,
    story: Story,
    work: Work,
    model: Model,
    progress: Progress,
) -> None:
    """What a run that ends before its end leaves: its state, a model, a line in the log."""
    records.close()  # type: ignore[attr-defined]  # a generator; averaged weights give way to those in training
    stopped = isinstance(error, KeyboardInterrupt | SystemExit)
    with contextlib.suppress(TorchbeamError):  # a full disk is told by the first error, not by one more
        if story.best is None and stopped:
            save_model(model, work.folder.model)
        save(work.folder.state, state_of(learner, story, work))
        why = str(error).splitlines()[0] if isinstance(error, TorchbeamError) else type(error).__name__
        work.folder.log("stopped", {"why": why, "epochs": len(story.epochs), "step": learner.step})
        _draw(work)
    if work.folder.model.exists():
        progress.stopped(work.folder.model, story.best, work.folder.path if stopped else None)


def _draw(work: Work) -> None:
    """The log as event files, where they are wanted."""
    if "tensorboard" in work.settings and work.settings["tensorboard"].value:
        write_events(work.folder.path)


def _measured(work: Work, story: Story, weights: str) -> Trained:
    """The best model, as its file has it, on validation and on test, which is read here for the first and only
    time."""
    if story.best is None:  # a plan has at least one epoch
        raise RuntimeError("the training loop yielded no epoch")
    folder, data, place = work.folder, work.data, work.objective.device
    proven = load_model(folder.path, str(place))
    majority = data.classes.index(work.majority)
    way = work.objective.way.exact
    way.ready(proven.network, place)

    def outputs(part: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return outputs_of(proven.network, part, proven.preprocessing, place, way=way, views=proven.views)

    on_validation = evaluate_outputs(*outputs(work.parts.validation), data.classes, majority)
    scores, labels = outputs(work.parts.testing)
    on_test = evaluate_outputs(scores, labels, data.classes, majority)
    metrics = {"test": headline(on_test), "validation": headline(on_validation), "best_epoch": story.best.epoch}
    save_model(replace(proven, metrics=metrics), folder.model)
    trained = Trained(
        out=folder.path,
        test=on_test,
        validation=on_validation,
        best_epoch=story.best.epoch,
        epochs=tuple(story.epochs),
        classes=data.classes,
        text=write(work.design),
        parameters=work.book.parameters,
        origins=data.split.origins,
        skipped=len(data.skipped),
        seconds=folder.seconds(),
        weights_sha256=weights,
    )
    folder.write_json("summary.json", trained.to_json())
    folder.log("test", headline(on_test))
    testing = work.parts.testing
    mistakes = tuple(
        Shown(data.image(int(testing.samples[bad.index]), (PICTURE_PIXELS, PICTURE_PIXELS)), bad)
        for bad in worst_mistakes(scores, labels, data.classes, MISTAKES_SHOWN)
    )
    filters = first_filters(proven.network, work.book)
    folder.write("report.html", page(_told(trained, work, mistakes, filters)))
    _draw(work)
    return trained


def _told(trained: Trained, work: Work, mistakes: tuple[Shown, ...], filters: tuple[str, list[str]]) -> Told:
    return Told(
        name=trained.out.name,
        text=trained.text,
        ledger=work.book,
        data=work.data,
        plan=work.objective.plan,
        device=str(work.objective.device),
        seconds=trained.seconds,
        epochs=trained.epochs,
        best_epoch=trained.best_epoch,
        test=trained.test,
        validation=trained.validation,
        mistakes=mistakes,
        filters=filters,
        way=_way_of(work),
        rate=_rate_of(work.settings["lr"]),
        findings=_findings(work.folder),
    )


def _way_of(work: Work) -> str:
    """The way of computing and why it was taken, as far as config.json tells."""
    why = work.settings["way"].why if "way" in work.settings else None
    return str(work.objective.way) if why is None else str(why["reason"])


def _rate_of(lr: Setting) -> RangeTest | None:
    """The range test that a rate is from."""
    if lr.why is None or "rates" not in lr.why:
        return None
    numbers = (tuple(map(float, lr.why[name])) for name in ("rates", "losses", "smoothed"))
    return RangeTest(*numbers, chosen=float(lr.why["chosen"]), reason=str(lr.why["reason"]))


def _findings(folder: RunFolder) -> tuple[Finding, ...]:
    """What the doctor found, over all sittings, the first of each kind: a resumed run finds again, and training what
    was seen before it."""
    found: dict[str, Finding] = {}
    for line in (folder.path / "log.jsonl").read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):  # a line that was cut off by a kill
            event = json.loads(line)
            if event["event"] == "finding":
                told = {name: event[name] for name in ("kind", "text", "remedy", "epoch", "step")}
                found.setdefault(event["kind"], Finding(**told))
    return tuple(found.values())


def headline(evaluation: Evaluation) -> dict[str, Any]:
    """What a model file and the log say of a result."""
    return {
        "accuracy": evaluation.accuracy,
        "n": evaluation.n,
        "interval": list(evaluation.interval),
        "baseline": evaluation.baseline,
    }
