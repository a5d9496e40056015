"""cheatsheet: every activation with its formula, derivative and curve."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchbeam.files import write_whole
from torchbeam.report.cheatsheet import as_json, as_svg, as_text


@dataclass(frozen=True, slots=True)
class CheatSheet:
    """The sheet; drawn for a terminal of `width` columns."""

    width: int

    def to_json(self) -> list[dict[str, Any]]:
        """As `describe --activations --json` prints it: a list."""
        return as_json()

    def __str__(self) -> str:
        """Formulas beside curves drawn in dots."""
        return as_text(self.width)


def cheatsheet(svg: str | Path | None = None) -> CheatSheet:
    """The cheat sheet of activations; drawn into an SVG file as well where one is named. Raises OutputError."""
    if svg is not None:
        write_whole(Path(svg), as_svg().encode())
    return CheatSheet(min(120, shutil.get_terminal_size((100, 24)).columns))
