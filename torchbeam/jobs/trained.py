"""Trained: what a run came to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchbeam.data.vocabulary import vocabulary_digest
from torchbeam.learn.evaluate import Evaluation
from torchbeam.learn.loop import Epoch


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run came to. test was read once, after the best epoch had been chosen on validation.

    weights_sha256: of the network after its last step, which tells two runs apart bit by bit.
    """

    out: Path
    test: Evaluation
    validation: Evaluation
    best_epoch: int
    epochs: tuple[Epoch, ...]
    classes: tuple[str, ...]
    text: str
    parameters: int
    origins: dict[str, str]
    skipped: int
    seconds: float
    weights_sha256: str

    @property
    def model(self) -> Path:
        """The model file."""
        return self.out / "model.safetensors"

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.out / "report.html"

    def to_json(self) -> dict[str, Any]:
        """summary.json."""
        return {
            "test": self.test.to_json() | {"origin": self.origins["test"]},
            "validation": self.validation.to_json() | {"origin": self.origins["val"]},
            "train": {"origin": self.origins["train"]},
            "classes": list(self.classes),
            "classes_sha256": vocabulary_digest(self.classes),
            "best_epoch": self.best_epoch,
            "epochs": len(self.epochs),
            "network": self.text,
            "parameters": self.parameters,
            "skipped": self.skipped,
            "model": str(self.model),
            "report": str(self.report),
            "seconds": round(self.seconds, 3),
            "weights_sha256": self.weights_sha256,
        }

    def __str__(self) -> str:
        """The result in three lines."""
        low, high = self.test.interval
        return (
            f"test accuracy {self.test.accuracy:.2%} of {self.test.n:,} pictures "
            f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %, baseline {self.test.baseline:.1%})\n"
            f"model  {self.model}\nreport {self.report}"
        )
