"""The guide to the SMS commands says what the grammar does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mpss.channels.sms.grammar import parse
from mpss.simulators.smsc_faults import FaultKind

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "sms.md"
TEXT = GUIDE.read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`.*)$", TEXT, re.MULTILINE)
SUBSCRIBERS = [row for row in ROWS if re.match(r"`[A-Z]+[ `]", row)]


@pytest.mark.parametrize("row", SUBSCRIBERS)
def test_every_command_of_the_table_is_understood(row: str) -> None:
    sent, others, meaning = (cell.strip() for cell in row.strip("| ").split("|"))
    example = sent.strip("`")
    command = parse(example)
    arguments = example.split(" ", 1)[1:]
    for word in re.findall(r"[A-Z]{2,}|[一-鿿]+", others):
        assert parse(" ".join([word, *arguments])) == command, word
    for another in re.findall(r"`([A-Z]+ [^`]*)`", meaning):
        assert type(parse(another)) is type(command)


def test_the_examples_of_separators_are_one_command() -> None:
    assert len(SUBSCRIBERS) == 32
    assert parse("ZF#100001#2") == parse("ZF 100001*2") == parse("zf100001 2")
    assert "`ZF#100001#2`, `ZF 100001*2`" in TEXT


def test_every_fault_of_the_towns_smsc_is_named() -> None:
    assert all(f"`{kind.value}`" in TEXT for kind in FaultKind)
