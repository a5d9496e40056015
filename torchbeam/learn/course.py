"""Which rate a run has at which point, also after its end was moved."""

from dataclasses import asdict, dataclass
from typing import Any

from torchbeam.learn.plan import Plan
from torchbeam.learn.schedules import SCHEDULES


@dataclass(frozen=True, slots=True)
class Course:
    """From step `first` on, with `rate` as the peak. warm_up: the share of what is left that leads up to it, 0
    where a run goes on from the rate it has."""

    first: int
    rate: float
    warm_up: float

    def at(self, schedule: str, share: float) -> float:
        """The rate at that share of the course, 0 to 1."""
        shape, share = SCHEDULES[schedule], min(1.0, max(0.0, share))
        if self.warm_up:
            return self.rate * shape(share, self.warm_up)
        nearly = 1e-9  # where a warm-up takes no time at all, the shape begins at its peak
        return self.rate * shape(max(share, nearly), nearly)

    def to_json(self) -> dict[str, Any]:
        """As a state keeps it."""
        return asdict(self)


def course_of(plan: Plan) -> Course:
    """The course of a run from its beginning."""
    return Course(0, plan.lr, plan.warm_up)


def from_json(told: dict[str, Any]) -> Course:
    """A course as a state keeps it."""
    return Course(int(told["first"]), float(told["rate"]), float(told["warm_up"]))
