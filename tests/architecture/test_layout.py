"""What import-linter cannot say of the tree: sizes, names, where SQL stands, who makes a unit of work."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "mpss"
MIGRATIONS = sorted((PACKAGE / "db" / "migrations").glob("*.sql"))
MODULES = sorted(PACKAGE.rglob("*.py"))

MOST_LINES = 400
SQL = re.compile(
    r"^\s*(--.*\n\s*)*(SELECT|INSERT INTO|UPDATE \w+|DELETE FROM|WITH \w+ AS|COPY|TRUNCATE|CREATE|LOCK TABLE)\b"
)
SQL_MODULE = re.compile(r"(\w+_)?(store|queries)\.py|verify(_\w+)?\.py")
AREAS = {
    "desk",
    "ledger",
    "outbox",
    "accounts",
    "merchants",
    "catalog",
    "fees",
    "vouchers",
    "staff",
    "notices",
    "transactions",
}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of every import; the name of `import a.b` is ''."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            yield from ((node.module or "", alias.name) for alias in node.names)


def may_hold_sql(path: Path) -> bool:
    """Stores, queries, `verify` (which reads all the books), the database's own; a simulator keeps its own data."""
    folder = path.relative_to(PACKAGE).parts[0]
    return folder in {"db", "ledger", "simulators"} or SQL_MODULE.fullmatch(path.name) is not None


def docstrings_of(tree: ast.Module) -> set[ast.Constant]:
    """Every string that stands alone as a statement."""
    return {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


class TestModules:
    @pytest.mark.parametrize("path", MODULES, ids=name_of)
    def test_are_short(self, path: Path) -> None:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES

    def test_named_init_are_empty(self) -> None:
        full = [name_of(path) for path in MODULES if path.name == "__init__.py" and path.stat().st_size]
        assert full == ["__init__.py"]

    @pytest.mark.parametrize("path", [path for path in MODULES if path.stat().st_size > 200], ids=name_of)
    def test_say_what_they_are_for(self, path: Path) -> None:
        assert ast.get_docstring(tree_of(path))

    def test_import_from_the_module_that_defines(self) -> None:
        names = {".".join(("mpss", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in MODULES}
        packages = {name.removesuffix(".__init__") for name in names if name.endswith(".__init__")}
        found = [(name_of(path), module, name) for path in MODULES for module, name in imports_of(path)]
        from_package = [item for item in found if item[1] in packages and f"{item[1]}.{item[2]}" not in names]
        assert [item for item in from_package if item[2] not in {"", "__version__"}] == []

    def test_of_the_kernel_use_the_standard_library_and_phonenumbers(self) -> None:
        roots = {module.split(".")[0] for path in (PACKAGE / "kernel").glob("*.py") for module, _ in imports_of(path)}
        assert roots - sys.stdlib_module_names == {"mpss", "phonenumbers"}


class TestSql:
    @pytest.mark.parametrize("path", [path for path in MODULES if not may_hold_sql(path)], ids=name_of)
    def test_stands_in_stores_and_queries_alone(self, path: Path) -> None:
        tree = tree_of(path)
        strings = {
            node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        } - docstrings_of(tree)
        assert [node.value for node in strings if SQL.match(str(node.value))] == []


class TestUnitsOfWork:
    def test_are_made_by_the_database_alone(self) -> None:
        makers = {
            name_of(path)
            for path in MODULES
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "UnitOfWork"
        }
        assert makers <= {"db/database.py", "desk/batch.py"}

    @pytest.mark.parametrize("path", MODULES, ids=name_of)
    def test_are_not_opened_by_a_step(self, path: Path) -> None:
        for function in ast.walk(tree_of(path)):
            if not isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef):
                continue
            arguments = [argument.arg for argument in function.args.posonlyargs + function.args.args]
            if arguments[:1] != ["uow"]:
                continue
            opened = [
                call.func.attr
                for call in ast.walk(function)
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
                if call.func.attr in {"transaction", "submit"}
            ]
            assert opened == [], f"{function.name} joins a unit of work and opens another"


class TestTheBooks:
    def test_are_written_by_the_desk_alone(self) -> None:
        writers = {
            (name_of(path), name)
            for path in MODULES
            for module, name in imports_of(path)
            if module == "mpss.ledger.post" and name in {"apply", "write"} and path.parent.name != "desk"
        }
        assert writers == set()


class TestTheClock:
    @pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name in AREAS], ids=name_of)
    def test_is_read_from_the_runtime(self, path: Path) -> None:
        read = [
            ast.unparse(node.func)
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"datetime.now", "datetime.utcnow", "time.time"}
        ]
        assert read == []


class TestDecisions:
    @pytest.mark.parametrize("path", MODULES, ids=name_of)
    def test_of_commands_are_plain_functions(self, path: Path) -> None:
        commands = [
            {method.name: method for method in node.body if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)}
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.ClassDef)
        ]
        decisions = [methods["decide"] for methods in commands if {"decide", "touches"} <= methods.keys()]
        assert [decision for decision in decisions if isinstance(decision, ast.AsyncFunctionDef)] == []


class TestCommands:
    """`say` prints instants in ISO form and `show_table` in Asia/Shanghai; nobody else turns one into text for them."""

    def test_print_json_with_instants_as_they_are(self) -> None:
        facts = [
            (name_of(path), ast.unparse(value))
            for path in MODULES
            if path.parent.name == "cli"
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Dict)
            for value in node.values
        ]
        assert [fact for fact in facts if re.search(r"\b(local|isoformat|strftime)\(", fact[1])] == []

    def test_print_their_tables_in_one_place(self) -> None:
        makers = {name_of(path) for path in MODULES for module, _ in imports_of(path) if module == "rich.table"}
        # What these three show has no instants, and colors or a title of its own.
        assert makers - {"cli/demo.py", "cli/main.py", "cli/replay_report.py"} == {"cli/acting.py"}


class TestMigrations:
    def test_are_numbered_without_a_gap(self) -> None:
        assert [int(path.name[:4]) for path in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))

    @pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.name)
    def test_begin_with_what_they_are_for(self, path: Path) -> None:
        assert path.read_text(encoding="utf-8").startswith("-- ")

    @pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.name)
    def test_keep_money_in_whole_fen(self, path: Path) -> None:
        columns = re.findall(r"^\s+(\w+_fen)\s+(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert [column for column in columns if column[1] != "bigint"] == []

    @pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.name)
    def test_name_every_constraint(self, path: Path) -> None:
        text = re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
        assert (
            re.findall(
                r"(?<!\w)(?<!CONSTRAINT )(?:PRIMARY KEY|CHECK \()", re.sub(r"CONSTRAINT\s+\w+\s+", "CONSTRAINT ", text)
            )
            == []
        )


class TestTests:
    def test_are_all_run(self) -> None:
        left_out = re.compile(r"pytest\.(mark\.)?" + r"(skip|xfail)|unittest\.mock")
        files = sorted((REPOSITORY / "tests").rglob("*.py"))
        assert [path.name for path in files if left_out.search(path.read_text(encoding="utf-8"))] == []
