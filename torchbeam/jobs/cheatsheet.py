"""cheatsheet: every activation with its formula, derivative and curve.

The drawing is imported by name when it is asked for, so that no other description waits for it.
"""

import shutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from torchbeam.files import write_whole

DRAWING = "torchbeam.report.cheatsheet"


@dataclass(frozen=True, slots=True)
class CheatSheet:
    """The sheet; drawn for a terminal of `width` columns."""

    width: int

    def to_json(self) -> list[dict[str, Any]]:
        """As `describe --activations --json` prints it: a list."""
        return import_module(DRAWING).as_json()

    def __str__(self) -> str:
        """Formulas beside curves drawn in dots."""
        return import_module(DRAWING).as_text(self.width)


def cheatsheet(svg: str | Path | None = None) -> CheatSheet:
    """The cheat sheet of activations; drawn into an SVG file as well where one is named. Raises OutputError."""
    if svg is not None:
        write_whole(Path(svg), import_module(DRAWING).as_svg().encode())
    return CheatSheet(min(120, shutil.get_terminal_size((100, 24)).columns))
