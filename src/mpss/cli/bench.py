"""`mpss bench`: runs the benchmarks of the source checkout, which are no part of the package."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import mpss
from mpss.cli.options import JsonOption

_PACKAGES = Path(mpss.__file__).resolve().parent.parent


def bench_command(
    as_json: JsonOption = False,
    quick: Annotated[bool, typer.Option("--quick", help="Within a minute; the figures mean nothing")] = False,
    part: Annotated[
        list[str] | None, typer.Option(help="Only desk, http, funded or growth; may be repeated", metavar="PART")
    ] = None,
) -> None:
    """Measure against pgbench on one server; exits 1 where the books do not hold after it."""
    checkout = find_checkout(_PACKAGES)
    if checkout is None:
        print(
            "The benchmarks are in the source checkout, and this mpss is installed without one:\n"
            "get the repository and run `make bench` in it.",
            file=sys.stderr,
        )
        raise typer.Exit(2)
    options = ["--json"] * as_json + ["--quick"] * quick
    for name in part or []:
        options += ["--part", name]
    paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.run", *options],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    # It stops its server and removes its data by itself; Ctrl-C reaches it as it reaches us.
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    signal.signal(signal.SIGINT, lambda *_: None)
    raise typer.Exit(child.wait() & 0xFF)


def find_checkout(packages: Path) -> Path | None:
    """The folder with the benchmarks that the package's own folder is in; None where there is none."""
    return next((folder for folder in packages.parents if (folder / "benchmarks" / "run.py").is_file()), None)
