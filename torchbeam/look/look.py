"""Look: what one way of looking into a network gives: numbers with named axes, their picture, and how it was made."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from torchbeam.errors import SettingError
from torchbeam.files import write_whole

DPI = 144


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Numbers, with a name for each axis ('unit', 'row', 'column') and what one number is ('probability', 'pixels')."""

    values: NDArray[Any]
    axes: tuple[str, ...]
    unit: str

    def __post_init__(self) -> None:
        if self.values.ndim != len(self.axes):
            raise SettingError(
                "numbers and the names of their axes do not belong together",
                expected=f"{self.values.ndim} names",
                got=", ".join(self.axes) or "none",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """kind: which way of looking. arrays: by name. caption: what is seen, how it was computed (precision, seed), and of
    what: the first digits of the digests of weights and picture. drawn: makes the figure when it is asked for.
    frames: of an animated picture, where there is one, each shown for `frame_seconds`. verdict: what the scorecard
    found, '' where it was not asked.
    """

    kind: str
    arrays: Mapping[str, Measured]
    caption: str
    drawn: Callable[[], Figure]
    frames: tuple[Image.Image, ...] = ()
    frame_seconds: float = 0.4
    facts: Mapping[str, Any] = field(default_factory=dict)
    verdict: str = ""

    def png(self) -> bytes:
        """The figure as a PNG file's bytes."""
        held = io.BytesIO()
        self.drawn().savefig(held, format="png", dpi=DPI, metadata={"Software": None})
        return held.getvalue()

    def npz(self) -> bytes:
        """The numbers as an .npz file's bytes; 'NAME.axes' and 'NAME.unit' tell what they are, 'caption' the rest."""
        held = io.BytesIO()
        named: dict[str, Any] = {}
        for name, measured in self.arrays.items():
            named |= {name: measured.values, f"{name}.axes": np.array(measured.axes), f"{name}.unit": measured.unit}
        np.savez_compressed(held, caption=np.array(self.caption), **named)
        return held.getvalue()

    def gif(self) -> bytes:
        """The frames as an animated GIF's bytes. Raises SettingError where there are none."""
        if not self.frames:
            raise SettingError(f"{self.kind} has no frames to animate")
        held = io.BytesIO()
        first, *others = self.frames
        milliseconds = round(1000 * self.frame_seconds)
        first.save(held, format="GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
        return held.getvalue()

    def save(self, folder: str | Path, name: str = "") -> tuple[Path, ...]:
        """Write NAME.png, NAME.npz and, where there are frames, NAME.gif into a folder, each whole; their paths.
        name: '' for the kind. Raises OutputError or OutOfRoom."""
        place, stem = Path(folder), name or self.kind
        made = {f"{stem}.png": self.png(), f"{stem}.npz": self.npz()}
        if self.frames:
            made[f"{stem}.gif"] = self.gif()
        for file, content in made.items():
            write_whole(place / file, content)
        return tuple(place / file for file in made)
