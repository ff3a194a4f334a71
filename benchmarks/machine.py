"""What the figures were measured on, when, and of what."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.server import BenchServer

_CHECKOUT = Path(__file__).resolve().parent.parent


def describe(server: BenchServer, *, quick: bool) -> dict[str, Any]:
    """Date, commit ("-changed" where the checkout was edited since), machine and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "quick": quick,
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "processor": _processor(),
            "memory_gib": round(memory / 2**30, 1),
            "kernel": platform.release(),
            "file_system": _file_system(server.folder),
            "python": platform.python_version(),
            "postgresql": server.version(),
        },
    }


def _commit() -> str:
    # As long as needed and no lock taken: somebody may be committing.
    git = ["git", "--no-optional-locks", "-C", str(_CHECKOUT), "describe", "--always", "--abbrev=12"]
    try:
        done = subprocess.run([*git, "--exclude=*", "--dirty=-changed"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _file_system(folder: Path) -> str:
    """The type of the file system a folder is on: "ext4"."""
    best = ("", "")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if folder.is_relative_to(where) and len(where) >= len(best[0]):
            best = (where, kind)
    return best[1]
