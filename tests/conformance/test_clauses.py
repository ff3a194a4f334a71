"""docs/spec/clauses.toml is whole and true: every heading once, in order; every module and test it names is there."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

from mpss.channels.http.app import operations_of
from mpss.cli.clauses import REPOSITORY, Clause, ClauseState, read_clauses

HEADINGS = {"CM": 179, "CT": 58, "EC": 5, "GD": 27}
NO_HEADING = {"CT 6.1", "CT 9.1"}
"""Numbers the text gives no heading of their own, only their parts."""

CLAUSES = read_clauses()
BY_ID = {clause.id: clause for clause in CLAUSES}


def number(clause: Clause) -> tuple[str, tuple[int, ...]]:
    text, digits = clause.id.split(" ")
    return text, tuple(int(digit) for digit in digits.split("."))


def has_parts(clause: Clause) -> bool:
    return any(other.id.startswith(clause.id + ".") for other in CLAUSES)


def module_exists(dotted: str) -> bool:
    path = REPOSITORY / "src" / Path(*dotted.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def clauses_of(file: Path) -> set[str]:
    """The ids in every `clause(…)` of a test file, wherever it stands: decorator or `pytestmark`."""
    calls = (node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return {
        argument.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "clause"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def files_by_clause() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for file in sorted((REPOSITORY / "tests").rglob("test_*.py")):
        for clause_id in clauses_of(file):
            found[clause_id].add(file.relative_to(REPOSITORY).as_posix())
    return found


class TestTheList:
    def test_has_every_heading_of_the_four_texts(self) -> None:
        assert Counter(clause.id.split(" ")[0] for clause in CLAUSES) == HEADINGS

    def test_names_no_clause_twice(self) -> None:
        assert [clause_id for clause_id, count in Counter(clause.id for clause in CLAUSES).items() if count > 1] == []

    def test_writes_ids_in_one_form(self) -> None:
        form = re.compile(r"(CM|CT|EC|GD) [1-9]\d*(\.[1-9]\d*)*", re.ASCII)
        assert [clause.id for clause in CLAUSES if not form.fullmatch(clause.id)] == []

    def test_keeps_the_order_of_the_texts(self) -> None:
        assert [clause.id for clause in CLAUSES] == [clause.id for clause in sorted(CLAUSES, key=number)]

    def test_has_the_clause_above_each_clause(self) -> None:
        parents = {clause.parent for clause in CLAUSES} - {None}
        assert parents - BY_ID.keys() == NO_HEADING

    def test_has_a_title_in_both_languages(self) -> None:
        assert [clause.id for clause in CLAUSES if not re.search("[\u4e00-\u9fff]", clause.title_zh)] == []
        assert [clause.id for clause in CLAUSES if not re.fullmatch(r"[ -~]+", clause.title_en)] == []


class TestAState:
    def test_of_excused_says_why_and_has_nothing_else(self) -> None:
        excused = [clause for clause in CLAUSES if clause.state is ClauseState.EXCUSED]
        assert [clause.id for clause in excused if not clause.note or clause.module or clause.tests] == []

    def test_of_done_has_modules_and_tests(self) -> None:
        done = [clause for clause in CLAUSES if clause.state is ClauseState.DONE]
        assert [clause.id for clause in done if not has_parts(clause) and not (clause.module and clause.tests)] == []

    def test_of_done_covers_every_part(self) -> None:
        planned = {clause.id for clause in CLAUSES if clause.state is ClauseState.PLANNED}
        done = [clause.id for clause in CLAUSES if clause.state is ClauseState.DONE]
        assert [(above, part) for above in done for part in planned if part.startswith(above + ".")] == []

    def test_of_planned_says_where_it_will_be(self) -> None:
        planned = [clause for clause in CLAUSES if clause.state is ClauseState.PLANNED]
        assert [clause.id for clause in planned if not clause.module and not has_parts(clause)] == []

    def test_of_planned_with_tests_says_what_there_is(self) -> None:
        begun = [clause for clause in CLAUSES if clause.state is ClauseState.PLANNED and clause.tests]
        assert [clause.id for clause in begun if not clause.note] == []


class TestWhatAClauseNames:
    def test_modules_of_done_clauses_exist(self) -> None:
        done = [clause for clause in CLAUSES if clause.state is ClauseState.DONE]
        assert [(clause.id, name) for clause in done for name in clause.module if not module_exists(name)] == []

    def test_clauses_of_tests_are_known(self) -> None:
        assert files_by_clause().keys() - BY_ID.keys() == set()

    def test_clauses_of_the_api_are_known(self) -> None:
        named = {clause_id for operation in operations_of(sandbox_too=True) for clause_id in operation.clauses}
        assert named - BY_ID.keys() == set()

    def test_tests_are_there_and_carry_it(self) -> None:
        carried = files_by_clause()
        named = [(clause.id, test) for clause in CLAUSES for test in clause.tests]
        assert [(clause_id, test) for clause_id, test in named if test not in carried[clause_id]] == []

    def test_clause_that_a_test_carries_names_a_test(self) -> None:
        assert [clause_id for clause_id in files_by_clause() if not BY_ID[clause_id].tests] == []
