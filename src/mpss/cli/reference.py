"""The reference pages, printed from the code that they describe: `mpss reference errors`.

`docs/reference/` holds what they print, and tests/docs/test_reference.py compares the two. A page is a pure function;
the one of the clauses reads docs/spec/clauses.toml.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import time
from pathlib import Path
from typing import Annotated, Any

import typer

from mpss.accounts.boss_status import BOSS_EFFECTS
from mpss.accounts.machine import BANK_CARD
from mpss.accounts.state import ALLOWED, EffectiveState, Operation
from mpss.accounts.state import MEANINGS as OPERATIONS
from mpss.accounts.state import REFUSALS as STATE_REFUSALS
from mpss.catalog.machine import PRODUCT
from mpss.channels.bank.replies import RESPONSES
from mpss.channels.http.app import operations_of
from mpss.channels.http.problems import REPLIES
from mpss.channels.ivr.dialogs import TABLE, Place
from mpss.channels.ivr.prompts import FIELDS, MENUS
from mpss.channels.ivr.refusals import REFUSALS as SPOKEN
from mpss.channels.sms import grammar as sms_grammar
from mpss.channels.sms.arguments import Mistake
from mpss.channels.sms.replies import MISTAKES, REFUSALS
from mpss.cli.clauses import Clause, ClauseState, read_clauses
from mpss.config import Policy, Settings
from mpss.kernel.errors import ErrorCode
from mpss.kernel.machine import Machine
from mpss.ledger.chart import CHART
from mpss.ledger.machine import HOLD
from mpss.merchants.machine import MERCHANT
from mpss.notices.model import FACTS, Event
from mpss.notices.templates import SERIAL, TEMPLATES
from mpss.risk.machine import ENTRY, REPORT, REVIEW
from mpss.staff.permissions import MEANINGS
from mpss.transactions.funding.machine import FUNDING_REQUEST
from mpss.transactions.machine import FUNDED, REFUND, TOPUP, TRANSFER, WAITING, WITHDRAWAL
from mpss.vouchers.machine import BATCH

MACHINES: tuple[Machine[Any, Any], ...] = (
    WAITING,
    TRANSFER,
    WITHDRAWAL,
    FUNDED,
    REFUND,
    TOPUP,
    FUNDING_REQUEST,
    PRODUCT,
    MERCHANT,
    BATCH,
    HOLD,
    BANK_CARD,
    ENTRY,
    REPORT,
    REVIEW,
)

_TEXTS = {
    "CM": "手机支付业务规范",
    "CT": "移动支付产品业务规范 V1.0",
    "EC": "移动支付系统解决方案",
    "GD": "2010 年广东翼支付业务规范",
}


def settings() -> str:
    """Every MPSS_* variable."""
    head = ("Variable", "Type", "Default", "Unit", "Meaning")
    return _page(
        "Settings",
        "Every setting is an environment variable, read once when a process starts.",
        "## The process\n\n" + _table(head, _settings_of(Settings)),
        "## The policy\n\nThe figures of the business rules. Amounts are in fen.\n\n"
        + _table(head, _settings_of(Policy)),
    )


def errors() -> str:
    """Every ErrorCode and how each channel tells it."""
    over_http = [(f"`{code}`", str(REPLIES[code].status), REPLIES[code].en, REPLIES[code].zh) for code in ErrorCode]
    by_voice = [(f"`{code}`", SPOKEN[code]["en"], SPOKEN[code]["zh-CN"]) for code in ErrorCode]
    by_sms = [(f"`{code}`", REFUSALS[code]["en"], REFUSALS[code]["zh-CN"]) for code in ErrorCode]
    return _page(
        "Errors",
        "One code for every reason a command can be refused, in the order of the checks.",
        "## Over HTTP\n\nA refusal is a problem document (RFC 9457) of type `urn:mpss:problem:` and the code.\n\n"
        + _table(("Code", "Status", "Title", "标题"), over_http),
        "## By SMS\n\n" + _table(("Code", "Text", "短信"), by_sms),
        "## By voice\n\n" + _table(("Code", "What is said", "语音"), by_voice),
        "## To a bank\n\nField 39 of the answer to what a bank asks.\n\n"
        + _table(("Code", "Field 39"), [(f"`{code}`", f"`{RESPONSES[code]}`") for code in ErrorCode]),
    )


def api() -> str:
    """Every operation of the HTTP API."""
    by_tag: dict[str, list[tuple[str, ...]]] = {}
    for operation in operations_of(sandbox_too=True):
        who = operation.access.value.replace("_", " ") + (f", `{operation.permission}`" if operation.permission else "")
        key = "yes" if operation.money else ""
        row = (f"`{operation.method} {operation.path}`", operation.summary, who, key, ", ".join(operation.clauses))
        by_tag.setdefault(operation.tag, []).append(row)
    head = ("Operation", "What it does", "Who", "Key", "Clauses")
    return _page(
        "HTTP API",
        "Every operation; bodies, answers and errors are in the OpenAPI document of a running center "
        "(`/v1/openapi.json`, to read at `/v1/reference`). A call with a key needs an `Idempotency-Key`.",
        *(f"## {tag}\n\n{_table(head, rows)}" for tag, rows in by_tag.items()),
    )


def machines() -> str:
    """Every state machine, drawn."""
    drawn = [f"## {_capital(machine.name)}\n\n```mermaid\n{machine.mermaid()}\n```" for machine in MACHINES]
    return _page("State machines", "Every table of moves, drawn from the code.", *drawn)


def boss() -> str:
    """What each event of BOSS does to an account."""
    rows = [
        (
            f"`{kind}`",
            effect.meaning,
            effect.aspect,
            effect.status or "as before",
            {True: "stopped", False: "stop lifted", None: "as before"}[effect.stopped],
            "`pre_closed`" if effect.pre_closed else "as before",
            "ended" if effect.sessions_ended else "kept",
            "none" if effect.notice is None else f"`{effect.notice}`",
        )
        for kind, effect in BOSS_EFFECTS.items()
    ]
    head = ("Event", "What it is", "Aspect", "BOSS status", "Stop", "Life", "Sessions", "Notice")
    return _page(
        "BOSS events",
        "What an event of BOSS does to the account of its subscription (CM 7.8). Within an aspect an event that comes "
        "late never undoes a newer one; an end is final. A change of number keeps the account and its bank cards.",
        _table(head, rows),
    )


def states() -> str:
    """Effective states by priority, and every operation in every state."""
    order = [
        (str(place), f"`{state}`", f"`{STATE_REFUSALS[state]}`") for place, state in enumerate(EffectiveState, start=1)
    ]
    head = ("Operation", "What it is", *(f"`{state}`" for state in EffectiveState))
    rows = [
        (
            f"`{operation}`",
            OPERATIONS[operation],
            *("yes" if operation in ALLOWED[state] else f"`{STATE_REFUSALS[state]}`" for state in EffectiveState),
        )
        for operation in Operation
    ]
    return _page(
        "Account states",
        "An account's facts (life, loss, freezes, the stop by BOSS, the password's lock, dormancy) stand apart; the "
        "gravest is its effective state (CM 7.6; CT 5.2). Queries, and what is insisted upon (refunds, reversals, "
        "returns), are allowed in every state.",
        "## By priority\n\n" + _table(("", "Effective state", "What is refused, is answered"), order),
        "## Operations\n\n" + _table(head, rows),
    )


def chart() -> str:
    """The chart of accounts."""
    rows = [
        (
            line.code.value,
            line.name_en,
            line.name_zh,
            line.side.value,
            "yes" if line.has_floor else "no",
            "the house, one" if line.house_account_id is not None else "each party",
            "yes" if line.customer_money else "no",
        )
        for line in CHART.values()
    ]
    return _page(
        "Chart of accounts",
        "科目. An account with a floor may not go below zero; it keeps a stored balance and is locked while a batch "
        "decides. The last column says what counts in the safeguarding check (备付金).",
        _table(("Code", "Name", "名称", "Normal side", "Floor", "Held by", "Safeguarded"), rows),
    )


def permissions() -> str:
    """What a member of staff may do."""
    rows = [(f"`{permission}`", _capital(meaning)) for permission, meaning in MEANINGS.items()]
    return _page(
        "Permissions",
        "What a staff API key may be given (系统权限). No permission includes another.",
        _table(("Permission", "What it lets one do"), rows),
    )


def clauses() -> str:
    """Every clause: what holds it, what shows it."""
    every = read_clauses()
    pages = []
    for text, title in _TEXTS.items():
        of_text = [clause for clause in every if clause.id.startswith(text)]
        counts = ", ".join(f"{sum(c.state is state for c in of_text)} {state}" for state in ClauseState)
        head = ("Clause", "Title", "标题", "State", "Where", "Tests", "Note")
        pages.append(f"## {text} {title}\n\n{counts}.\n\n{_table(head, map(_clause_row, of_text))}")
    return _page(
        "Clauses",
        "Every clause of the four texts: the module that holds or will hold it and the tests that show it. "
        "Kept in `docs/spec/clauses.toml`.",
        *pages,
    )


def grammar() -> str:
    """What a subscriber may send to our number, and what is answered to what is no command."""
    _, _, described = inspect.cleandoc(sms_grammar.__doc__ or "").partition("\n\n")
    mistakes = [(f"`{mistake}`", MISTAKES[mistake]["en"], MISTAKES[mistake]["zh-CN"]) for mistake in Mistake]
    return _page(
        "SMS commands",
        "What a subscriber may send to our number. No secret but a card password is read from an SMS.",
        described,
        "## Answers to what is no command\n\n" + _table(("Mistake", "Text", "短信"), mistakes),
    )


def notices() -> str:
    """What subscribers are told, by event and language."""
    rows = [
        (f"`{event}`", ", ".join(FACTS[event]), TEMPLATES[event]["en"], TEMPLATES[event]["zh-CN"]) for event in Event
    ]
    return _page(
        "Notices",
        f"Every change of an account is told by SMS (CT 5.4). A text ends with its serial, {SERIAL['en'].strip()} or "
        f"{SERIAL['zh-CN']}, by which a second copy after a lost answer is known.",
        _table(("Event", "Facts", "Text", "短信"), rows),
    )


def voice() -> str:
    """Every place of a telephone call, and where its keys lead."""
    menus, forms = [], []
    for place in Place:
        row = TABLE[place]
        led = ", ".join(f"`{key}` {to.value.replace('_', ' ')}" for key, to in row.keys.items())
        if row.keys:
            menus.append((f"`{place}`", led, MENUS[place]["en"], MENUS[place]["zh-CN"]))
        for asked in row.fields:
            digits = str(asked.least) if asked.least == asked.most else f"{asked.least}–{asked.most}"
            told = FIELDS[place, asked.name]
            forms.append((f"`{place}`", f"`{asked.name}`", digits, told["en"], told["zh-CN"]))
    return _page(
        "Voice",
        "Where a call can be, and what each key does there (CT 5.2; CM 6.7.1). `0` tells a menu again, `*` goes back. "
        "A call begins at `main`, or at `stranger` where the caller's number is not told.",
        "## Menus\n\n" + _table(("At", "Keys", "Prompt", "语音"), menus),
        "## Digits\n\n" + _table(("At", "Field", "Digits", "Prompt", "语音"), forms),
    )


SECTIONS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "api": api,
    "errors": errors,
    "machines": machines,
    "states": states,
    "boss": boss,
    "chart": chart,
    "permissions": permissions,
    "grammar": grammar,
    "voice": voice,
    "notices": notices,
    "clauses": clauses,
}


def reference(section: str) -> str:
    """One page as Markdown.

    Raises:
        KeyError: there is no such section.
        FileNotFoundError: the clauses were asked for outside the repository.
    """
    return SECTIONS[section]()


def write_reference(folder: Path) -> list[Path]:
    """Write every page into `folder`, one file a section; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for section, page in SECTIONS.items():
        path = folder / f"{section}.md"
        path.write_text(page(), encoding="utf-8")
        written.append(path)
    return written


def reference_command(
    section: Annotated[str, typer.Argument(help=f"One of: {', '.join(SECTIONS)}; all of them when left out.")] = "",
    write: Annotated[Path | None, typer.Option(help="Write every page into this folder instead.")] = None,
) -> None:
    """Print settings, errors, machines and the rest as the documents show them."""
    if write is not None:
        for path in write_reference(write):
            typer.echo(path)
        return
    if section and section not in SECTIONS:
        raise typer.BadParameter(f"must be one of: {', '.join(SECTIONS)}", param_hint="section")
    typer.echo("\n".join(reference(name) for name in ([section] if section else SECTIONS)), nl=False)


def _page(title: str, lead: str, *parts: str) -> str:
    return "\n\n".join((f"# {title}", lead, *parts)) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _settings_of(kind: type[Settings] | type[Policy]) -> list[tuple[str, ...]]:
    return [
        (
            f"`MPSS_{item.name.upper()}`",
            str(item.type).removesuffix(" | None"),
            _default(item.default),
            item.metadata["unit"],
            item.metadata["meaning"],
        )
        for item in fields(kind)
        if item.metadata
    ]


def _default(value: object) -> str:
    if value is None or value == "":
        return ""
    return f"`{value:%H:%M}`" if isinstance(value, time) else f"`{value}`"


def _clause_row(clause: Clause) -> tuple[str, ...]:
    where = ", ".join(f"`{module.removeprefix('mpss.')}`" for module in clause.module)
    tests = ", ".join(f"`{test.removeprefix('tests/')}`" for test in clause.tests)
    return clause.id, clause.title_en, clause.title_zh, clause.state.value, where, tests, clause.note


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
