"""What several tests of the data room are made of: drawn pictures, folders of them, and harsher machines."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

REPOSITORY = Path(__file__).resolve().parents[1]


def shared(*names: str) -> Path:
    """A file or folder of the real data beside the project; the test skips where it is missing."""
    root = Path(os.environ.get("TORCHBEAM_SHARED") or REPOSITORY.parent / "shared")
    path = root.joinpath(*names)
    if not path.exists():
        pytest.skip(f"{path} is missing: real data lies in the folder named by TORCHBEAM_SHARED, or in ../shared")
    return path


def drawn(number: int, size: tuple[int, int] = (24, 18), mode: str = "RGB") -> Image.Image:
    """A picture of shapes; another number, another picture."""
    chance = np.random.default_rng(number)
    width, height = size
    colours = [tuple(int(shade) for shade in chance.integers(0, 256, 3)) for _ in range(4)]
    picture = Image.new("RGB", size, colours[0])
    pen = ImageDraw.Draw(picture)
    pen.ellipse((width // 8, height // 8, width // 2, height // 2), fill=colours[1])
    pen.rectangle((width // 2, height // 2, width - 2, height - 2), fill=colours[2])
    pen.line((0, height - 1, width - 1, 0), fill=colours[3])
    picture.putpixel((0, 0), (number % 256, number // 256 % 256, number // 65536 % 256))
    return picture.convert(mode)


def encoded(picture: Image.Image, form: str = "PNG", **options) -> bytes:
    """The picture as the bytes of a file."""
    held = BytesIO()
    picture.save(held, form, **options)
    return held.getvalue()


def class_folders(root: Path, counts: Mapping[str, int], suffix: str = ".png", first: int = 0) -> Path:
    """Folders below `root` with that many pictures each, no two alike: {'train/cat': 5, 'train/dog': 4}."""
    number = first
    for name, count in counts.items():
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            drawn(number).save(folder / f"{index}{suffix}")
            number += 1
    return root


def fingerprints(count: int, first: int = 0) -> list[str]:
    """SHA-256 of different contents."""
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(first, first + count)]


def run_python(*arguments: object, before: tuple[str, ...] = ()) -> str:
    """What another Python prints."""
    command = [*before, sys.executable, *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


_BOUND = """
import ctypes, os, sys
if os.geteuid() == 0:
    for power in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, power, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def run_bound(folder: Path, *arguments: object) -> str:
    """What another Python prints that is bound by permissions, even where the tests run as root."""
    closed = folder / "closed"
    closed.touch()
    closed.chmod(0)
    if "open" in run_python("-c", _BOUND, "-c", f"import os; print('open' if os.access({str(closed)!r}, 4) else '')"):
        pytest.skip("permissions do not bind the user who runs the tests")
    return run_python("-c", _BOUND, *arguments)


def run_on_tmpfs(place: Path, options: str, *arguments: object) -> str:
    """What another Python prints for which `place` is a file system of its own, mounted with `options`."""
    mount = 'mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"'
    before = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh", options, str(place))
    if not shutil.which("unshare") or subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    return run_python(*arguments, before=before)
