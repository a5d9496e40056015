"""One thing found in a data set, with the pictures it is about and what to do."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from torchbeam.errors import DataError

Severity = Literal["error", "warning", "note"]
# error: training stops or learns something wrong. warning: most likely not meant. note: harmless, but good to know.
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found: its kind ('leak'), how bad it is, and a sentence with the numbers.

    paths: every picture it is about, in the order of the records; where it is about files beside them, those.
    details: empty, or a line for each path. groups: pictures that belong together, as copies do.
    remedy: what to do. leave_out: (path, reason) of what is better left out of training.
    """

    kind: str
    severity: Severity
    what: str
    paths: tuple[str, ...] = ()
    remedy: str = ""
    details: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    leave_out: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES or (self.details and len(self.details) != len(self.paths)):
            raise DataError(
                f"the finding {self.kind} does not hold together",
                expected=f"one of {', '.join(SEVERITIES)}, and a detail for each path or none",
                got=f"{self.severity}, {len(self.paths)} paths and {len(self.details)} details",
            )

    def to_json(self) -> dict[str, Any]:
        """As `check --json` prints it."""
        return asdict(self) | {"count": len(self.groups) or len(self.paths)}


def counted(number: int, one: str, many: str = "") -> str:
    """'1 picture is', '1,203 pictures are': a number with what agrees with it."""
    if number == 1:
        return f"1 {one}"
    return f"{number:,} {many or one.replace('picture is', 'pictures are').replace('picture has', 'pictures have')}"
