"""adviser: how much data there is and how near it is to what a backbone knows, measured; and what follows from it.

The four quadrants of transfer learning (Karpathy, CS231n notes, 'Transfer Learning'; Yosinski et al. 2014, arXiv
1411.1792): little and near, a linear classifier on the codes; little and far, a linear classifier on an earlier stage,
whose features are less special; much and near, fine-tuning through the network; much and far, training all of it from
the pretrained start. The notes leave 'little' and 'near' to the reader. Here both are numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from torchbeam.learn.probes import Probe

MODES = ("codes", "stage", "finetune", "scratch")
# Below this number of pictures in the middle class fine-tuning was not ahead of a linear head by more than chance;
# from twice as many on it was (bench.transfer, advice).
LITTLE = 200
# An earlier stage is better in earnest where its lead over the codes is this many standard errors of their paired
# difference, and this share of the pictures: it is the best of many that were tried.
ERRORS, LEAD = 1.0, 0.01
# And the codes know something of these pictures where they leave out at least this share of the mistakes that
# random features of the same width make.
KNOWN = 0.25


@dataclass(frozen=True, slots=True)
class Place:
    """What a linear probe read at one place, cross-validated. pooling: of a stage's maps, '' for vectors."""

    stage: str
    pooling: str
    width: int
    accuracy: float
    error: float

    def __str__(self) -> str:
        """'stage4, avg 2x2'."""
        return f"{self.stage}, {self.pooling}" if self.pooling else self.stage


@dataclass(frozen=True, slots=True)
class Advice:
    """What was measured, and what it says. error: a standard error. lead: by which the best earlier stage is ahead of
    the codes. places: the best pooling of each stage, in the network's order, the codes last. mode: one of MODES."""

    pictures: int
    classes: int
    per_class: int
    probed: int
    little: bool
    near: bool
    places: tuple[Place, ...]
    random: Place
    best: Place
    lead: float
    lead_error: float
    mode: str

    @property
    def quadrant(self) -> str:
        """As in 'little data, near to what the backbone knows'."""
        return f"{'little' if self.little else 'much'} data, {'near to' if self.near else 'far from'} what it knows"

    def to_json(self) -> dict[str, Any]:
        """As summary.json has it."""
        return asdict(self) | {"quadrant": self.quadrant}

    def __str__(self) -> str:
        """The table of places and the two sentences that follow from it."""
        width = max(len(str(place)) for place in (*self.places, self.random))
        lines = [f"{'linear probe on':<{width}}  {'numbers':>7}  right, cross-validated"]
        for place in (self.random, *self.places):
            lines.append(
                f"{place!s:<{width}}  {place.width:>7,}  {place.accuracy:6.1%} +- {place.error:.1%}"
                + ("  <- best" if place == self.best else "")
            )
        return "\n".join([*lines, *self.sentences()])

    def sentences(self) -> list[str]:
        """What the numbers say, and what is done."""
        amount = "fewer than" if self.little else "at least"
        size = f"{self.per_class:,} pictures in the middle class, {amount} {LITTLE}: {self._amount()}"
        codes = self.places[-1]
        if self.near:
            told = (
                f"the codes read {codes.accuracy:.1%}, and no earlier stage is clearly ahead "
                f"({self.lead:+.1%} +- {self.lead_error:.1%})"
            )
        elif self.lead > 0:
            told = f"{self.best} is ahead of the codes by {self.lead:.1%} +- {self.lead_error:.1%}"
        else:
            told = f"the codes read {codes.accuracy:.1%}, hardly more than random features ({self.random.accuracy:.1%})"
        return [size, f"{told}: {'near' if self.near else 'far'}", f"so {self.doing()}"]

    def doing(self) -> str:
        """What the mode does, in words."""
        return doing(self.mode, self.best)

    def _amount(self) -> str:
        return "little data" if self.little else "much data"


def doing(mode: str, place: Place | None) -> str:
    """What a mode does, in words. place: that of 'stage'."""
    return {
        "codes": "a linear head on the codes",
        "stage": f"a linear head on {place or 'an earlier stage'}",
        "finetune": "fine-tuning through the whole network, from the linear head on",
        "scratch": "training everything from the pretrained start",
    }[mode]


def advise(
    counts: Sequence[int], stages: Sequence[str], probes: Mapping[tuple[str, str], tuple[int, Probe]], random: Probe
) -> Advice:
    """What the probes say.

    counts: training pictures of each class. stages: in the network's order, 'codes' last. probes: by (stage, pooling)
    the width and the probe, all on the same pictures and folds, so that they are compared picture by picture.
    random: the probe on random features of the codes' width.
    """
    per_class = sorted(counts)[len(counts) // 2]
    width, codes = probes["codes", ""]
    best_of: dict[str, tuple[Place, Probe]] = {}
    for (stage, pooling), (numbers, probe) in probes.items():
        place = _place(stage, pooling, numbers, probe)
        if stage not in best_of or probe.accuracy > best_of[stage][1].accuracy:
            best_of[stage] = (place, probe)
    earlier = [best_of[stage] for stage in stages if stage != "codes"]
    best, probe = max([*earlier, best_of["codes"]], key=lambda found: found[1].accuracy)
    lead, error = paired(probe, codes)
    ahead = best.stage != "codes" and lead > max(LEAD, ERRORS * error)
    known = 1 - codes.accuracy <= (1 - KNOWN) * (1 - random.accuracy)
    little, near = per_class < LITTLE, known and not ahead
    chosen = best if ahead else best_of["codes"][0]
    mode = {(True, True): "codes", (True, False): "stage", (False, True): "finetune", (False, False): "scratch"}
    return Advice(
        pictures=sum(counts),
        classes=len(counts),
        per_class=per_class,
        probed=int(codes.held.sum()),
        little=little,
        near=near,
        places=tuple(best_of[stage][0] for stage in stages),
        random=_place("random features", "", width, random),
        best=chosen,
        lead=lead,
        lead_error=error,
        mode="codes" if little and not ahead else mode[little, near],
    )


def paired(first: Probe, second: Probe) -> tuple[float, float]:
    """(difference of two accuracies on the same pictures, its standard error)."""
    both = first.held & second.held
    difference = first.correct[both].astype(float) - second.correct[both]
    return float(difference.mean()), float(np.std(difference, ddof=1) / math.sqrt(len(difference)))


def _place(stage: str, pooling: str, width: int, probe: Probe) -> Place:
    share = probe.accuracy
    return Place(stage, pooling, width, share, math.sqrt(share * (1 - share) / max(1, int(probe.held.sum()))))
