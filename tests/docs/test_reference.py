"""docs/reference says what the code says: each page is what `mpss reference` prints, and nothing is left out."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import fields

import pytest

import mpss
from mpss.cli.clauses import REPOSITORY
from mpss.cli.reference import MACHINES, SECTIONS, reference
from mpss.config import Policy, Settings
from mpss.kernel.errors import ErrorCode
from mpss.kernel.machine import Machine
from mpss.staff.permissions import MEANINGS, Permission

PAGES = REPOSITORY / "docs" / "reference"


class TestThePages:
    @pytest.mark.parametrize("section", SECTIONS)
    def test_are_what_the_code_prints(self, section: str) -> None:
        committed = (PAGES / f"{section}.md").read_text(encoding="utf-8")
        assert committed == reference(section), "run `make reference`"

    def test_are_all_and_no_others(self) -> None:
        assert {path.stem for path in PAGES.glob("*.md")} == set(SECTIONS)

    def test_name_every_setting(self) -> None:
        page = reference("settings")
        names = [item.name for item in (*fields(Settings), *fields(Policy)) if item.name != "policy"]
        assert [name for name in names if f"`MPSS_{name.upper()}`" not in page] == []

    def test_name_every_error(self) -> None:
        page = reference("errors")
        assert [code for code in ErrorCode if f"`{code}`" not in page] == []

    def test_give_every_permission_a_meaning(self) -> None:
        assert set(MEANINGS) == set(Permission)

    def test_draw_every_machine(self) -> None:
        modules = [found.name for found in pkgutil.walk_packages(mpss.__path__, "mpss.")]
        machines = [importlib.import_module(name) for name in modules if name.endswith(".machine")]
        drawn = {value.name for module in machines for value in vars(module).values() if isinstance(value, Machine)}
        assert drawn == {machine.name for machine in MACHINES}
