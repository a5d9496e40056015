"""A recipe: settings that were tried together on one data set, and what they came to."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Claim:
    """What a recipe was measured to reach. command: what was run. machine: on what. accuracies: on the test part, one
    for each seed from 0 on, in percent. seconds: of training, one for each seed."""

    command: str
    machine: str
    accuracies: tuple[float, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """settings: by the names that config.json gives them; what they do not say is chosen as in any run."""

    name: str
    about: str
    settings: dict[str, Any] = field(default_factory=dict)
    claim: Claim | None = None
