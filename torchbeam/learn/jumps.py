"""Whether training has blown up, judged by the mean loss of one stretch of it after another."""

import math
from dataclasses import asdict, dataclass
from typing import Any

# What the rate is multiplied by after each blow-up, and how often before the run is given up.
LOWERED, MOST = 0.3, 3
# A stretch has blown up where its mean loss is above this many times the loss that the run began with, and above what
# a mean of small losses comes to by chance. Runs that go well stay below 1.2 times, with mixed pictures too.
OVER_FIRST, OVER = 1.5, 2.0
# Of fewer pictures than ENOUGH a mean strays further, and of fewer than FEWEST it says nothing unless it is no number.
OVER_FIRST_OF_FEW, ENOUGH, FEWEST = 3.0, 256, 32
# What was learnt is lost where the loss had come below one share of the first and is back above the other. A network
# whose units are all dead names every class alike, which costs a little less than it began with.
LEARNT, FORGOTTEN = 0.5, 0.8


@dataclass(slots=True)
class Watch:
    """first: the mean loss that a run began with. best: the lowest mean of a stretch so far. None before any."""

    first: float | None = None
    best: float | None = None

    def seen(self, loss: float, pictures: int = ENOUGH) -> None:
        """The mean loss of `pictures` in training that goes well; to begin with, that of the first batch before its
        update, so that a first stretch can be judged too. Fewer than FEWEST pictures tell nothing."""
        if pictures < FEWEST:
            return
        self.first = loss if self.first is None else self.first
        self.best = loss if self.best is None else min(self.best, loss)

    def blown(self, loss: float, pictures: int = ENOUGH) -> bool:
        """Whether training has blown up, by the mean loss of the `pictures` since the last look; where it has not,
        that mean is taken as seen."""
        if not math.isfinite(loss):
            return True
        if pictures >= FEWEST and self.first is not None and self.best is not None:
            enough = pictures >= ENOUGH
            if loss > max((OVER_FIRST if enough else OVER_FIRST_OF_FEW) * self.first, OVER):
                return True
            if enough and self.best < LEARNT * self.first and loss > max(FORGOTTEN * self.first, OVER):
                return True
        self.seen(loss, pictures)
        return False

    def to_json(self) -> dict[str, Any]:
        """As a state keeps it; the numbers come back exactly."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Watch":
        """A watch as a state keeps it."""
        return cls(*(None if told[name] is None else float(told[name]) for name in ("first", "best")))
