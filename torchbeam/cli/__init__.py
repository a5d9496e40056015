"""The command line: finds the verb, lets its file read the options, turns errors into exit codes.

A verb's file is imported when that verb is called, so that `--help` and `describe` never pay for torch.
"""

import difflib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import FrameType

import typer
from typer.main import get_command

from torchbeam.errors import SettingError, TorchbeamError
from torchbeam.version import __version__

# Every verb, where it is, and what it does.
VERBS = {
    "describe": ("torchbeam.cli.describe", "size a network: volumes, parameters, memory, receptive fields"),
    "zoo": ("torchbeam.cli.zoo", "list the named networks with their numbers"),
    "check": ("torchbeam.cli.check", "find what is wrong with pictures and labels before training"),
    "train": ("torchbeam.cli.train", "train a classifier on pictures and measure it"),
    "transfer": ("torchbeam.cli.transfer", "carry a pretrained network over to your pictures"),
    "resume": ("torchbeam.cli.resume", "go on with a run that was stopped, from the very step"),
    "evaluate": ("torchbeam.cli.evaluate", "measure a model file on labelled pictures"),
    "predict": ("torchbeam.cli.predict", "say what pictures show"),
    "look": ("torchbeam.cli.look", "look inside a network: filters, maps, occlusion, one unit, one number"),
    "data convert": ("torchbeam.cli.convert", "write a data set in another format"),
    "data preview": ("torchbeam.cli.preview", "draw what augmentation makes of a few pictures"),
}
HELP = """torchbeam: write a ConvNet as the textbooks do, train it on your pictures, see what it learnt.

  torchbeam VERB ...

{verbs}

  torchbeam VERB --help   what a verb takes, with an example
  torchbeam --version

The first thing to try:

  torchbeam train digits
"""
OUR_FAULT = 70


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code that the house rules name."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    _stop_on(signal.SIGINT, signal.SIGTERM)
    try:
        return _run(given)
    except TorchbeamError as error:
        if debug:
            traceback.print_exc()
        print(f"torchbeam: {error}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        print(f"torchbeam: {_own_fault(error)}", file=sys.stderr)
        return OUR_FAULT
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0


def _run(given: list[str]) -> int:
    if not given or given[0] in ("--help", "-h", "help"):
        width = max(map(len, VERBS))
        print(HELP.format(verbs="\n".join(f"  {verb:<{width}}  {told}" for verb, (_, told) in VERBS.items())))
        return 0
    if given[0] == "--version":
        print(f"torchbeam {__version__}")
        return 0
    words = 2 if " ".join(given[:2]) in VERBS else 1
    verb, options = " ".join(given[:words]), given[words:]
    if verb not in VERBS:
        told = " ".join(given[:2]) if verb == "data" else verb
        close = difflib.get_close_matches(told, VERBS, n=1)
        raise SettingError(
            f"no verb {told!r}",
            expected=", ".join(VERBS),
            remedy=f"did you mean {close[0]}?" if close else "torchbeam --help lists what each does",
        )
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.command()(import_module(VERBS[verb][0]).run)
    get_command(app)(options, prog_name=f"torchbeam {verb}")
    return 0


def _stop_on(*signals: signal.Signals) -> None:
    """The first Ctrl-C or SIGTERM ends the run in order, by SystemExit(128 + its number); a second at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        while frame is not None:
            if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
                os._exit(128 + number)  # some libraries swallow whatever is raised while they are imported
            frame = frame.f_back
        raise SystemExit(128 + number)

    for one in signals:
        signal.signal(one, stop)


def _own_fault(error: Exception) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="torchbeam-error-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write("".join(traceback.format_exception(error)))
    return f"a fault of torchbeam's own, {type(error).__name__}: {error}; the traceback is in {file.name}"
