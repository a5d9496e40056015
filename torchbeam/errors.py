"""Every error torchbeam raises on purpose.

TorchbeamError
├── Mistake                 exit 2: something the user can put right
│   ├── NotationError       the text of a network cannot be read
│   ├── DesignError         the text reads, the network it names cannot be
│   │   └── FitError        a window does not fit its input a whole number of times
│   ├── DataError           the pictures or their labels cannot be used as a whole
│   │   └── PictureError    one picture cannot be read; runs set it aside and go on
│   ├── ModelFileError      a model file is missing, damaged, or not one of ours
│   ├── StateError          what a run saved to go on from is missing, damaged, or too new
│   ├── SettingError        an option has a value that cannot be used
│   └── OutputError         the place to write to is taken or not writable
└── Unfinished              exit 3: the run could not finish; what was done is kept
    ├── Diverged            the loss became infinite or NaN
    └── OutOfRoom           disk or memory ran out
"""


class TorchbeamError(Exception):
    """A message in four parts, each a plain sentence without a full stop.

    what: what went wrong, with the values that show it.
    shown: lines quoted as they are (the user's text with a caret under it).
    expected, got, remedy: what would have been right, what came, what to do.
    """

    exit_code = 70

    def __init__(
        self,
        what: str,
        *,
        shown: str = "",
        expected: str = "",
        got: str = "",
        remedy: str = "",
    ) -> None:
        self.what = what
        self.shown = shown
        self.expected = expected
        self.got = got
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [self.what]
        lines += [f"    {line}" for line in self.shown.splitlines()]
        for label in ("expected", "got", "remedy"):
            first, *rest = getattr(self, label).splitlines() or [""]
            if first:
                lines.append(f"  {label:<8}  {first}")
                lines += [" " * 12 + line for line in rest]
        return "\n".join(lines)


class Mistake(TorchbeamError):
    """Something the user can put right."""

    exit_code = 2


class NotationError(Mistake):
    """The text of a network cannot be read; `line` and `column` count from 1."""

    def __init__(
        self,
        what: str,
        *,
        line: int,
        column: int,
        shown: str,
        expected: str = "",
        got: str = "",
        remedy: str = "",
    ) -> None:
        self.line = line
        self.column = column
        where = f"{what} (line {line}, column {column})"
        super().__init__(where, shown=shown, expected=expected, got=got, remedy=remedy)


class DesignError(Mistake):
    """The text reads, but the network it names cannot be."""


class FitError(DesignError):
    """A window does not fit its input a whole number of times.

    way: the layers that led there, as text: 'INPUT 224x224x3', 'conv1 55x55x96'.
    """

    def __init__(
        self, what: str, *, expected: str = "", got: str = "", remedy: str = "", way: tuple[str, ...] = ()
    ) -> None:
        self.way = way
        super().__init__(what, expected=expected, got=got, remedy=remedy)


class DataError(Mistake):
    """The pictures or their labels cannot be used as a whole."""


class PictureError(DataError):
    """One picture cannot be read; runs set it aside and go on."""

    @property
    def reason(self) -> str:
        """What is wrong, in one line."""
        return f"{self.what} ({self.got})" if self.got else self.what


class ModelFileError(Mistake):
    """A model file is missing, damaged, or not one of torchbeam's."""


class StateError(Mistake):
    """What a run saved to go on from is missing, damaged, or written by a newer torchbeam."""


class SettingError(Mistake):
    """An option has a value that cannot be used."""


class OutputError(Mistake):
    """The place to write to is taken or not writable."""


class Unfinished(TorchbeamError):
    """The run could not finish; what was done is kept."""

    exit_code = 3


class Diverged(Unfinished):
    """The loss became infinite or NaN."""


class OutOfRoom(Unfinished):
    """Disk or memory ran out."""
