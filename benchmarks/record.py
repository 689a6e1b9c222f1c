"""How a benchmark's rows are kept: one CSV each, with what they were measured on."""

import csv
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, str]:
    """Device, versions, commit and date of a measurement."""
    cpu = next(
        (line.split(":")[1].strip() for line in _cpu_lines() if line.startswith("model name")), platform.machine()
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],
        cwd=RESULTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} x {cpu}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": commit.stdout.strip(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a CSV of these rows, each with the machine it was measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    full = [row | machine() for row in rows]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(full[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(full)


def _cpu_lines() -> list[str]:
    info = Path("/proc/cpuinfo")
    return info.read_text().splitlines() if info.exists() else []
