"""What a run measures before it begins: the way the machine computes it, its rate, and how long it will take."""

import time
from dataclasses import replace

import torch

from torchbeam.design.volume import Volume
from torchbeam.jobs.progress import Progress
from torchbeam.jobs.settings import Setting, lr_for
from torchbeam.jobs.work import Work
from torchbeam.learn.choosing import Chosen, choose_way
from torchbeam.learn.doctor import examine
from torchbeam.learn.plan import Plan
from torchbeam.learn.promise import Rehearsal, promised, rehearse
from torchbeam.learn.rate import RangeTest, range_test
from torchbeam.learn.views import Views
from torchbeam.report.ratecurve import rate_curve

# Of a run that ends by the clock: seconds kept for the model file, the result and the report.
RESERVE = 2.0
# Steps a second that a run by the clock is expected to take, before any was timed; it decides how long may be measured.
STEPS_A_SECOND = 5


def chosen(work: Work, progress: Progress) -> Work:
    """As `_chosen`; behind a frozen part all is measured on what is trained, and carried back to the whole."""
    made = _chosen(work.inner, work.volume, progress)
    if work.behind is None:
        return made
    measured = made.objective
    plan = replace(work.objective.plan, lr=measured.plan.lr, seconds=measured.plan.seconds)
    return replace(work, settings=made.settings, objective=replace(work.objective, way=measured.way, plan=plan))


def _chosen(work: Work, volume: Volume, progress: Progress) -> Work:
    """The work with its way, its rate and, where it ends by the clock, the seconds that training has; told on the
    screen, and kept in the settings with the figures behind them."""
    work, way = _with_way(work, volume, progress)
    step = None if not way.way.compiled else way.step_seconds
    views = Views(work.settings["views"].value)
    rehearsal = rehearse(work.network, work.objective, work.parts.training, work.parts.validation, step, views)
    work = _with_seconds(work, rehearsal)
    work = _with_rate(work, rehearsal, progress)
    _examined(work, progress)
    return _with_promise(work, rehearsal, progress)


def _with_way(work: Work, volume: Volume, progress: Progress) -> tuple[Work, Chosen]:
    plan, settings, device = work.objective.plan, work.settings, work.objective.device
    per_epoch = len(work.parts.training)
    expected = plan.epochs * per_epoch if plan.seconds is None else int(plan.seconds * STEPS_A_SECOND)
    found = choose_way(
        work.network,
        volume,
        min(plan.batch_size, len(work.parts.training.samples)),
        device,
        expected,
        precision=settings["precision"].value,
        compiled=settings["compile"].value,
        cache=settings["cache"].value,
    )
    progress.screen.note(f"computed in {found.reason}")
    setting = Setting(found.way.to_json(), "auto", found.to_json())
    objective = replace(work.objective, way=found.way)
    return replace(work, settings=settings | {"way": setting}, objective=objective), found


def _with_seconds(work: Work, rehearsal: Rehearsal) -> Work:
    """Of a run by the clock: what is left for training when reading, choosing, the last look at validation and test
    and the report are taken off."""
    plan = work.objective.plan
    if plan.seconds is None:
        return work
    left = max(1.0, plan.seconds - work.folder.seconds() - _afterwards(work, rehearsal))
    settings = work.settings | {"training_seconds": Setting(round(left, 3), "auto")}
    return replace(work, settings=settings, objective=replace(work.objective, plan=replace(plan, seconds=left)))


def _with_rate(work: Work, rehearsal: Rehearsal, progress: Progress) -> Work:
    """With a peak rate: the one told, else by a range test, whose seconds count where the run ends by the clock."""
    plan, settings, begun = work.objective.plan, work.settings, time.perf_counter()
    if settings["lr"].value is not None:
        return work
    test = _tested(work, plan, rehearsal)
    progress.screen.note(f"learning rate {test.chosen:.3g}: {test.reason}")
    work.folder.write("rate.svg", rate_curve(test))
    settings = settings | {"lr": Setting(test.chosen, "auto", test.to_json())}
    plan = replace(plan, lr=test.chosen)
    if plan.seconds is not None:
        left = max(1.0, plan.seconds - (time.perf_counter() - begun))
        plan = replace(plan, seconds=left)
        settings |= {"training_seconds": Setting(round(left, 3), "auto")}
    return replace(work, settings=settings, objective=replace(work.objective, plan=plan))


def _tested(work: Work, plan: Plan, rehearsal: Rehearsal) -> RangeTest:
    training = work.parts.training
    if plan.seconds is not None:
        epochs = plan.seconds / max(1e-3, rehearsal.step_seconds) / len(training)
        plan = replace(plan, seconds=None, epochs=max(1, round(epochs)))
    with torch.random.fork_rng([work.objective.device] if work.objective.device.type == "cuda" else []):
        threads = torch.get_num_threads()
        network = work.network
        work.objective.way.ready(network, work.objective.device)
        try:
            objective = replace(work.objective, way=replace(work.objective.way, compiled=False))
            return range_test(
                network, objective, training, plan, lr_for(plan.batch_size * plan.accumulate, plan.optimiser)
            )
        finally:
            torch.set_num_threads(threads)


def _examined(work: Work, progress: Progress) -> None:
    """What the doctor finds before the first step."""
    plan, training = work.objective.plan, work.parts.training
    steps = len(training) * plan.epochs if plan.seconds is None else int(plan.seconds * STEPS_A_SECOND)
    batch = next(training.epoch(plan.seed, 1))
    way = replace(work.objective.way, compiled=False)
    for finding in examine(work.network, replace(work.objective, way=way), batch, len(work.data.classes), steps):
        if finding.kind == "inputs" and work.objective.maps:
            continue  # maps are not meant to be normalised
        work.folder.log("finding", finding.to_json())
        progress.finding(finding)


def _afterwards(work: Work, rehearsal: Rehearsal) -> float:
    """Seconds after the last step: validation as the loop looks at it and as the result does, test once, the model file
    and the report."""
    held, tested = len(work.parts.validation.samples), len(work.parts.testing.samples)
    return RESERVE + rehearsal.evaluation_seconds + rehearsal.result_seconds * (held + tested) / max(1, held)


def _with_promise(work: Work, rehearsal: Rehearsal, progress: Progress) -> Work:
    """With how long the run will take, said before it begins."""
    plan, settings = work.objective.plan, work.settings
    promise = promised(
        rehearsal.step_seconds,
        len(work.parts.training),
        plan.epochs,
        rehearsal.evaluation_seconds,
        afterwards=_afterwards(work, rehearsal),
        limit=plan.seconds,
        memory=rehearsal.memory,
    )
    progress.planned(plan, str(work.objective.device), promise)
    return replace(work, settings=settings | {"promise": Setting(promise.to_json(), "auto")})
