"""Transferred: what a transfer came to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchbeam.data.vocabulary import vocabulary_digest
from torchbeam.learn.adviser import Advice
from torchbeam.learn.evaluate import Evaluation


@dataclass(frozen=True, slots=True)
class Held:
    """An accuracy on pictures held out: how many, its 95 % interval, and how they were held out, in words."""

    accuracy: float
    n: int
    interval: tuple[float, float]
    origin: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in summary.json."""
        return {"accuracy": self.accuracy, "n": self.n, "interval": list(self.interval), "origin": self.origin}


@dataclass(frozen=True, slots=True)
class Rival:
    """A strategy that was tried: what it is, in words, and its accuracy on the same pictures held out."""

    what: str
    accuracy: float
    n: int
    kept: bool

    def to_json(self) -> dict[str, Any]:
        """As it stands in summary.json."""
        return {"what": self.what, "accuracy": self.accuracy, "n": self.n, "kept": self.kept}


@dataclass(frozen=True, slots=True)
class Transferred:
    """What a transfer came to. test was read once, after the strategy had been chosen on pictures held out of training.

    mode: what was kept, of 'codes', 'stage', 'finetune' and 'scratch'; stage: what the head reads, or where fine-tuning
    began. advice: the adviser's, None where it was not asked. rivals: what was compared before the choice.
    """

    out: Path
    test: Evaluation
    validation: Held
    mode: str
    stage: str
    backbone: str
    advice: Advice | None
    rivals: tuple[Rival, ...]
    head: dict[str, Any] | None
    notes: tuple[str, ...]
    classes: tuple[str, ...]
    text: str
    parameters: int
    origins: dict[str, str]
    skipped: int
    seconds: float

    @property
    def model(self) -> Path:
        """The model file."""
        return self.out / "model.safetensors"

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.out / "report.html"

    def to_json(self) -> dict[str, Any]:
        """summary.json: what train's has, and `transfer`."""
        return {
            "test": self.test.to_json() | {"origin": self.origins["test"]},
            "validation": self.validation.to_json(),
            "train": {"origin": self.origins["train"]},
            "classes": list(self.classes),
            "classes_sha256": vocabulary_digest(self.classes),
            "transfer": {
                "backbone": self.backbone,
                "mode": self.mode,
                "stage": self.stage,
                "advice": None if self.advice is None else self.advice.to_json(),
                "rivals": [rival.to_json() for rival in self.rivals],
                "head": self.head,
                "notes": list(self.notes),
            },
            "network": self.text,
            "parameters": self.parameters,
            "skipped": self.skipped,
            "model": str(self.model),
            "report": str(self.report),
            "seconds": round(self.seconds, 3),
        }

    def __str__(self) -> str:
        """The result in three lines."""
        low, high = self.test.interval
        return (
            f"test accuracy {self.test.accuracy:.2%} of {self.test.n:,} pictures "
            f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %, baseline {self.test.baseline:.1%})\n"
            f"model  {self.model}\nreport {self.report}"
        )
