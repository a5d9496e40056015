"""README and docs/ are run: Python blocks by their output, console blocks by what the commands print.

A block headed `varies` holds figures that differ between machines: there numbers are compared as numbers of any value.
A line `...` stands for any lines.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)([ \w]*)\n(.*?)^```$", re.M | re.S)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    picture = np.round(load_digits().images[3] * 255 / 16).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "digit.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def agrees(shown: str, real: str, varies: bool) -> None:
    def pattern(line: str) -> str:
        line = re.escape(line.rstrip())
        return re.sub(r"(\\ )+", r"\\s+", re.sub(r"\d[\d,]*(\\\.\d+)?", r"[\\d.,e-]+", line)) if varies else line

    lines = shown.rstrip("\n").split("\n")
    expected = "".join(r"(?:.*\n)*?" if line == "..." else pattern(line) + r"\s*?\n" for line in lines)
    assert re.fullmatch(expected, real.rstrip("\n") + "\n"), f"shown:\n{shown}\nreal:\n{real}"


# These load torch, which takes a process seconds, and this one has loaded it; test_cli.py starts each as a process.
WITH_TORCH = ("train", "evaluate", "predict")


def run_console(text: str, varies: bool, call) -> None:
    for piece in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, shown = piece.partition("\n")
        assert command.startswith("torchbeam ")
        arguments = shlex.split(command)[1:]
        if arguments[0] in WITH_TORCH:
            done = call(*arguments)
            agrees(shown, done.stderr + done.stdout, varies)
            continue
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", command + " 2>&1"], capture_output=True, text=True, env=environment, check=False
        )
        agrees(shown, done.stdout, varies)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_shows_what_really_happens(page, workplace, call):
    blocks = BLOCK.findall(page.read_text())
    names: dict[str, object] = {}
    printed = ""
    for language, info, text in blocks:
        if language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(text, str(page), "exec"), names)  # noqa: S102
            printed = out.getvalue()
        elif language == "text":
            agrees(text, printed, "varies" in info)
        elif language == "console":
            run_console(text, "varies" in info, call)
    assert not list(workplace.glob("*.part"))


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_every_room_has_its_page():
    rooms = {path.name for path in (ROOT / "torchbeam").iterdir() if (path / "__init__.py").is_file()}
    assert rooms <= {path.stem for path in PAGES}


def test_the_readme_holds_the_two_commands_on_its_first_screen():
    first = (ROOT / "README.md").read_text().splitlines()[:30]
    assert "    pip install uv && uv run torchbeam train digits" in first
    assert "    pip install uv && uv run pytest" in first
