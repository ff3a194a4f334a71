"""The clauses of the four source texts, read from docs/spec/clauses.toml of the repository."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
CLAUSES_FILE = REPOSITORY / "docs" / "spec" / "clauses.toml"


class ClauseState(StrEnum):
    PLANNED = "planned"
    DONE = "done"
    EXCUSED = "excused"


@dataclass(frozen=True, slots=True)
class Clause:
    """One heading. `module` are dotted paths of the package, `tests` files from the repository's root."""

    id: str
    title_zh: str
    title_en: str
    state: ClauseState
    module: tuple[str, ...]
    tests: tuple[str, ...]
    note: str

    @property
    def parent(self) -> str | None:
        """The id of the clause above: "CM 5.2" of "CM 5.2.1", None of a chapter."""
        head, dot, _ = self.id.rpartition(".")
        return head if dot else None


def read_clauses(path: Path = CLAUSES_FILE) -> list[Clause]:
    """Every clause, in the texts' order.

    Raises:
        FileNotFoundError: the program runs without the repository it came from.
        TypeError: a clause has a field that is not known, or lacks one.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: clauses are kept in the repository, not in the package")
    with path.open("rb") as file:
        found = tomllib.load(file)["clause"]
    return [_clause(**item) for item in found]


def _clause(
    *,
    id: str,
    title_zh: str,
    title_en: str,
    state: str,
    module: list[str] | None = None,
    tests: list[str] | None = None,
    note: str = "",
) -> Clause:
    return Clause(id, title_zh, title_en, ClauseState(state), tuple(module or ()), tuple(tests or ()), note)
