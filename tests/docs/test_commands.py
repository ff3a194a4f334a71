"""Every command that a document shows can be typed: a make target, or a command of `mpss` with its options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from mpss.cli.clauses import REPOSITORY
from mpss.cli.main import app

PAPERS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
FENCED = re.compile(r"^```(?:sh|bash|console|text)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:make|mpss) [^`]+)`")
COMMAND = re.compile(r"(\$ )?([A-Z_]+=\S* )*(make|mpss) ")
ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
MPSS: Any = typer.main.get_command(app)


def commands_of(paper: Path) -> Iterator[list[str]]:
    """The words of every `make …` and `mpss …` in a fence or in code type, without prompts, variables and comments."""
    text = paper.read_text(encoding="utf-8")
    lines = [line for block in FENCED.findall(text) for line in block.splitlines()]
    for line in (*lines, *INLINE.findall(text)):
        words = (
            shlex.split(line.removeprefix("$ "), comments=True) if re.match(r"(\$ |[A-Z_]+=|make|mpss)", line) else []
        )
        while words and ASSIGNMENT.fullmatch(words[0]):
            words.pop(0)
        if words[:1] in (["make"], ["mpss"]) and len(words) > 1:
            yield words


def fault(words: list[str]) -> str | None:
    """What is wrong with a command, or None."""
    program, *rest = words
    if program == "make":
        unknown = [word for word in rest if not ASSIGNMENT.fullmatch(word) and word not in TARGETS]
        return f"no target {unknown[0]}" if unknown else None
    command = MPSS
    for word in rest:
        if word.startswith("-"):
            known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
            if word.partition("=")[0] not in known:
                return f"no option {word} of {command.name}"
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return f"no command {word} of {command.name}"
            command = command.commands[word]
    return None


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_shown_can_be_typed(paper: Path) -> None:
    found = [(" ".join(words), fault(words)) for words in commands_of(paper)]
    assert [item for item in found if item[1] is not None] == []


def test_of_the_readme_begin_with_the_demo_and_the_tests() -> None:
    shown = list(commands_of(REPOSITORY / "README.md"))
    assert ["make", "demo"] in shown
    assert any(words[:2] in (["make", "test"], ["make", "check"]) for words in shown)


def test_of_the_command_line_are_all_named_in_the_readme() -> None:
    (row,) = re.findall(r"^\| `mpss --help` \| (.*) \|$", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`([a-z-]+)`", row)) == set(MPSS.commands)


def test_finds_what_is_wrong() -> None:
    assert fault(["make", "nothing"]) == "no target nothing"
    assert fault(["mpss", "nothing"]) is not None
    assert fault(["mpss", "verify", "--nothing"]) is not None
    assert fault(["mpss", "reference", "errors"]) is None
    assert fault(["make", "check", "TESTS=tests/unit"]) is None
