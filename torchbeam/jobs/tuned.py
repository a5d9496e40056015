"""A backbone that learns on: the training of `train`, begun with given weights and the linear head that suits them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from torchbeam.design.ledger import ledger
from torchbeam.design.nets import Design
from torchbeam.jobs.chosen import chosen
from torchbeam.jobs.ground import Ground
from torchbeam.jobs.learning import Story, learnt
from torchbeam.jobs.memory import check_memory
from torchbeam.jobs.predict import Model, load_model
from torchbeam.jobs.progress import Progress
from torchbeam.jobs.runfolder import RunFolder
from torchbeam.jobs.settings import Setting, Settings, fine_tuning, plan_of, settle, what_was_made
from torchbeam.jobs.train import write_config
from torchbeam.jobs.work import Work, network_of, objective_of, parts_of, task_of, with_maps
from torchbeam.learn.evaluate import outputs_of
from torchbeam.learn.finetune import rates_for, stages_of
from torchbeam.network.norms import identity_norms, re_estimate_

# Rounds over the training part: enough for so many pictures in all, within bounds. The start is near the end already;
# more where everything is to change.
PICTURES, FEWEST, MOST = 20_000, 6, 12
MORE = {"finetune": 1.0, "scratch": 1.5}
# Peak rates for SGD in batches of 64. A head that was fitted and weights that were published are not to be thrown over
# by the first steps (Kumar et al. 2022, arXiv 2202.10054); training everything takes the usual rate.
RATES = {"finetune": 0.005, "scratch": 0.01}
CLIP = 1.0  # the gradient's largest norm: without it batches of few pictures threw networks far off at once
ESTIMATED, AT_ONCE = 512, 64  # pictures that statistics are taken from


@dataclass(frozen=True, slots=True)
class Tuned:
    """A run of fine-tuning. scores: by the part's name, N x K, as the model file computes them."""

    model: Model
    story: Story
    work: Work
    notes: tuple[str, ...]

    def scores(self, part: str) -> tuple[Tensor, Tensor]:
        """(scores N x K, labels N) of 'val' or 'test', in full precision."""
        held = {"val": self.work.parts.validation, "test": self.work.parts.testing}[part]
        way = self.work.objective.way.exact
        place = self.work.objective.device
        way.ready(self.model.network, place)
        return outputs_of(self.model.network, held, self.model.preprocessing, place, way=way)


def tuned(
    ground: Ground,
    network: nn.Module,
    design: Design,
    mode: str,
    start: str | None,
    told: Settings,
    others: dict[str, Setting],
    folder: RunFolder,
    progress: Progress,
) -> Tuned:
    """Train a network with given weights and head to the end of its plan, in `folder`, as `train` does.

    mode: 'finetune', the rate falling stage by stage towards the input, nothing learnt before the layer `start`;
    'scratch', every layer at the full rate. told: what the user said. others: settings of the transfer itself.
    """
    settings, notes = _settings(ground, network, design, mode, start, told)
    settings = others | settings | what_was_made(settings, design, ground.place)
    book, plan = ledger(design), plan_of(settings)
    task, said = task_of(settings, ground.data)
    check_memory(book, plan, ground.place, 0)
    for note in [*notes, *([said] if said else [])]:
        progress.screen.note(f"note: {note}")
    parts = parts_of(settings, ground.data, book)
    shown = ground.preprocessing.shown if parts.cutting is not None else 1.0
    preprocessing = replace(ground.preprocessing, shown=shown, short=None, filter="bilinear")
    objective = objective_of(settings, task, parts, preprocessing, ground.place)
    with torch.random.fork_rng([ground.place] if ground.place.type == "cuda" else []):
        prepared = network_of(settings, design, objective, parts.training, network)
        work = Work(folder, settings, ground.data, design, book, parts, objective, prepared)
        work = chosen(with_maps(work, progress.screen), progress)
    write_config(folder, work.settings, ground.data.place)
    story = learnt(work, progress)
    return Tuned(load_model(folder.path, str(ground.place)), story, work, tuple(notes))


def _settings(
    ground: Ground, network: nn.Module, design: Design, mode: str, start: str | None, told: Settings
) -> tuple[dict[str, Setting], list[str]]:
    """All settings of the run, and what was decided about batch norms, in words."""
    given = replace(told, net=design)
    settings = settle(given, ground.data)
    size = settings["batch_size"].value
    if told.epochs is None and told.tuning.time is None:
        rounds = min(MOST, max(FEWEST, round(PICTURES / max(1, len(ground.samples("train"))))))
        settings["epochs"] = Setting(round(MORE[mode] * rounds), "auto")
    if told.lr is None:
        settings["lr"] = Setting(RATES[mode] * min(4.0, size / 64), "auto")
    settings["clip"] = Setting(CLIP, "auto")
    norms, note = _norms(ground, network, mode)
    rates = rates_for(stages_of(network), start) if mode == "finetune" else ()
    settings |= fine_tuning(
        Setting({"backbone": ground.backbone.name, "digest": ground.backbone.digest}, "auto"),
        Setting([list(pair) for pair in rates], "auto"),
        Setting(norms, "auto"),
    )
    return settings, [note] if note else []


def _norms(ground: Ground, network: nn.Module, mode: str) -> tuple[str, str]:
    """What batch norms do ('fixed' or 'train'), and why; those that were folded away are first taken anew."""
    if not any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in network.modules()):
        return "train", ""
    anew = ""
    if identity_norms(network):
        count = re_estimate_(network.to(ground.place), _pictures(ground))
        anew = (
            f"; those of these weights were folded into the convolutions and normalised nothing, so the statistics of "
            f"all {count} were taken anew, at which the network computes what it did"
        )
    if mode == "finetune":
        return "fixed", f"batch norms keep their statistics{anew}"
    return "train", f"batch norms learn the statistics of these pictures{anew}"


def _pictures(ground: Ground) -> Iterator[Tensor]:
    """Some of the training pictures, prepared, in batches."""
    learnt = ground.samples("train")
    for first in range(0, min(len(learnt), ESTIMATED), AT_ONCE):
        pixels = ground.pixels.take(learnt[first : first + AT_ONCE])
        yield ground.preprocessing.normalise(pixels.to(ground.place))
