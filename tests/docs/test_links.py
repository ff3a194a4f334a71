"""Documents point at what is there: every link, every file named in code type, every name."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from mpss.cli.acting import STAFF_KEY
from mpss.cli.clauses import REPOSITORY
from mpss.config import Policy, Settings

PACKAGE = REPOSITORY / "src" / "mpss"
PAPERS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
GENERATED = REPOSITORY / "docs" / "reference"
AHEAD = {"docs/glossary.md", "CONTRIBUTING.md"}
"""Papers that also name what is not built yet: the words of the whole specification, and the example of a new flow."""

LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
FILE = re.compile(r"`([\w./-]+\.(?:py|toml|md|sql|lock|txt))`")
FOLDER = re.compile(r"`((?:docs|tests|src|benchmarks)/[\w/.-]+/)`")

NAME = re.compile(r"`([a-z]+_[a-z_]+|[A-Z][a-z]+[A-Z]\w+)`")
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*") if path.suffix in {".py", ".sql"})


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


READ = re.compile(r'environ\.get\("(MPSS_[A-Z_]+)"')
"""A variable that the tests read."""


def exists(named: str) -> bool:
    """Whether a file is there: from the root, from the package, or by its name alone."""
    return (REPOSITORY / named).exists() or (PACKAGE / named).exists() or any(PACKAGE.rglob(Path(named).name))


@pytest.mark.parametrize("paper", PAPERS, ids=name_of)
def test_links_lead_somewhere(paper: Path) -> None:
    targets = [target for target, _ in LINK.findall(paper.read_text(encoding="utf-8")) if "://" not in target]
    assert [target for target in targets if not (paper.parent / target).exists()] == []


@pytest.mark.parametrize("paper", [paper for paper in PAPERS if name_of(paper) not in AHEAD], ids=name_of)
def test_files_named_are_there(paper: Path) -> None:
    if paper.parent == GENERATED:
        return  # Its clauses name modules to come; test_clauses.py checks those of the done ones.
    text = paper.read_text(encoding="utf-8")
    assert [named for named in (*FILE.findall(text), *FOLDER.findall(text)) if not exists(named)] == []


@pytest.mark.parametrize("paper", PAPERS, ids=name_of)
def test_settings_named_are_settings(paper: Path) -> None:
    known = {f"MPSS_{item.name.upper()}" for item in (*fields(Settings), *fields(Policy))}
    known.add(STAFF_KEY)
    known.update(*(READ.findall(path.read_text(encoding="utf-8")) for path in (REPOSITORY / "tests").rglob("*.py")))
    assert set(re.findall(r"\bMPSS_[A-Z_]+", paper.read_text(encoding="utf-8"))) - known == set()


@pytest.mark.parametrize("paper", [paper for paper in PAPERS if name_of(paper) not in AHEAD], ids=name_of)
def test_names_in_code_type_are_in_the_code(paper: Path) -> None:
    named = set(NAME.findall(paper.read_text(encoding="utf-8")))
    assert sorted(name for name in named if re.search(rf"\b{name}\b", SOURCE) is None) == []


def test_decisions_are_numbered_listed_and_those_named_in_the_code_are_there() -> None:
    papers = sorted(path.name for path in (REPOSITORY / "docs" / "decisions").glob("0*.md"))
    numbers = [paper[:4] for paper in papers]
    assert numbers == [f"{number:04d}" for number in range(1, len(papers) + 1)]
    index = (REPOSITORY / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[ADR-(\d{4})\]", index, re.MULTILINE) == numbers
    assert set(re.findall(r"ADR-(\d{4})", SOURCE)) - set(numbers) == set()
