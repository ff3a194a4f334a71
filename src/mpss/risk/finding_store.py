"""The SQL of top-ups that hit a rule after they were paid, and of the grey entries that follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.db.rows import InsertSet

FINDINGS = InsertSet(
    name="risk_finding",
    copy="COPY risk_finding (transaction_id, account_id, rule, found_at) FROM STDIN (FORMAT BINARY)",
    types=("uuid", "uuid", "text", "timestamptz"),
)
"""What a rule found, until a job has put the account on the grey list."""

_WAITING: LiteralString = """
    SELECT transaction_id, account_id, rule FROM risk_finding WHERE listed_at IS NULL
     ORDER BY found_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
_DONE: LiteralString = "UPDATE risk_finding SET listed_at = %(now)s WHERE transaction_id = ANY(%(ids)s)"
_GREY_BY_RULE: LiteralString = """
    -- Hit again while on the list by a rule: the clean days begin anew.
    INSERT INTO risk_entry (id, colour, scope, value, subject_id, shown, state, reason, evidence, entered_by,
                            entered_at, listed_at, until)
    SELECT n.id, 'grey', 'account', n.value, n.subject_id, n.value, 'listed', replace(n.rule, '_', ' '), n.evidence,
           'rule:' || n.rule, %(now)s, %(now)s, %(until)s
      FROM unnest(%(ids)s::uuid[], %(values)s::text[], %(subjects)s::uuid[], %(rules)s::text[], %(evidence)s::text[])
           AS n (id, value, subject_id, rule, evidence)
        ON CONFLICT (scope, value, colour) WHERE state IN ('proposed', 'listed', 'leaving')
        DO UPDATE SET until = EXCLUDED.until WHERE starts_with(risk_entry.entered_by, 'rule:')
    RETURNING id
"""
_REFUSED_OFTEN: LiteralString = """
    SELECT account_id FROM transaction
     WHERE state = 'DECLINED' AND account_id IS NOT NULL AND created_at > %(since)s
     GROUP BY account_id HAVING count(*) >= %(refusals)s ORDER BY account_id
"""


class Waiting(NamedTuple):
    """A top-up that hit a rule."""

    transaction_id: UUID
    account_id: UUID
    rule: str


class NewGrey(NamedTuple):
    """An account to be listed: the new entry's id, the account and its outside form, the rule, what shows it."""

    entry_id: UUID
    account_id: UUID
    value: str
    rule: str
    evidence: str


async def waiting_findings(uow: UnitOfWork, *, limit: int) -> list[Waiting]:
    """What the job has not seen to, locked."""
    return await uow.rows(Waiting, _WAITING, {"limit": limit})


async def seen_to(uow: UnitOfWork, transaction_ids: Sequence[UUID], *, now: datetime) -> None:
    await uow.execute(_DONE, {"ids": list(transaction_ids), "now": now})


async def refused_often(uow: UnitOfWork, *, since: datetime, refusals: int) -> list[UUID]:
    """The accounts with so many refusals since then."""
    cursor = await uow.connection.execute(_REFUSED_OFTEN, {"since": since, "refusals": refusals})
    return [record[0] for record in await cursor.fetchall()]


async def grey_by_rule(uow: UnitOfWork, accounts: Sequence[NewGrey], *, now: datetime, until: datetime) -> list[UUID]:
    """List accounts, each once; the ids of the entries that stand for them by a rule, new and prolonged."""
    ids, subjects, values, rules, evidence = map(list, zip(*accounts, strict=True))
    values_of = {
        "ids": ids, "values": values, "subjects": subjects, "rules": rules, "evidence": evidence, "now": now,
        "until": until,
    }  # fmt: skip
    cursor = await uow.connection.execute(_GREY_BY_RULE, values_of)
    return [record[0] for record in await cursor.fetchall()]
