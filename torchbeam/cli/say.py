"""How a verb puts its result on stdout."""

import json
import os
import sys
from typing import Any

from torchbeam.errors import OutOfRoom

CLOSED_PIPE = 141  # 128 + SIGPIPE: how a shell tells that nobody read on


def say(result: Any, as_json: bool) -> None:
    """Print a job's record: as one JSON document, or as its text.

    Raises OutOfRoom where stdout is a full disk; ends quietly where nobody reads on.
    """
    text = json.dumps(result.to_json(), indent=2) if as_json else str(result)
    try:
        sys.stdout.write(text + "\n" if text else "")
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up_stdout()
        raise SystemExit(CLOSED_PIPE) from None
    except OSError as error:
        _give_up_stdout()
        raise OutOfRoom("the result could not be printed", got=error.strerror or str(error)) from error


def _give_up_stdout() -> None:
    """Python flushes stdout once more when it ends, which would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
