"""What machine the figures are from."""

import os
import platform
from pathlib import Path


def machine() -> str:
    """'AMD EPYC, 2 cores, Python 3.11.7', in one line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"
