"""What machine the figures are from, and where they are kept."""

import json
import os
import platform
from pathlib import Path
from typing import Any


def machine() -> str:
    """'AMD EPYC, 2 cores, Python 3.11.7', in one line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def keep(name: str, figures: Any) -> None:
    """Write bench/out/NAME.json: the machine and its figures."""
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps({"machine": machine(), "figures": figures}, indent=2) + "\n")
