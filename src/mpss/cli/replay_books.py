"""The journal's own figures of a replay, read afterwards and put beside what the API answered."""

from __future__ import annotations

from datetime import datetime

from mpss.cli.replay_report import Line
from mpss.config import Settings
from mpss.db.database import opened
from mpss.ledger.chart import Code
from mpss.ledger.turnover import turnover_by_hour
from mpss.simulators.month import CASH_IN, CASH_OUT, DEBIT, PAYMENT, TRANSFER
from mpss.transactions.withdrawals.queries import paid_by_hour

_KINDS = {CASH_IN: "cash_topup", PAYMENT: "purchase", TRANSFER: "transfer", CASH_OUT: "real_time", DEBIT: "batch"}


async def read_books(settings: Settings, lines: list[Line], begins: datetime) -> None:
    """Put the journal's figures beside the API's: cash that came in, what merchants are owed, what wallets sent, and
    what banks paid out by the hour it was asked for in."""
    moved: dict[tuple[str, int], tuple[int, int]] = {}
    async with opened(settings.database_url) as database, database.read() as uow:
        for code in (Code.CASH_IN_TRANSIT, Code.MERCHANT_PAYABLE):
            for turned in await turnover_by_hour(uow, code, since=begins):
                step = int((turned.hour - begins).total_seconds()) // 3600
                moved[turned.kind, step] = (turned.entries, turned.amount_fen)
        for turned in await turnover_by_hour(uow, Code.WALLET, since=begins):
            if turned.kind == _KINDS[TRANSFER]:
                step = int((turned.hour - begins).total_seconds()) // 3600
                # Both wallets are moved by it.
                moved[turned.kind, step] = (turned.entries, turned.amount_fen // 2)
        for paid in await paid_by_hour(uow, since=begins):
            step = int((paid.hour - begins).total_seconds()) // 3600
            moved[paid.mode, step] = (paid.entries, paid.amount_fen)
    for line in lines:
        line.books_entries, line.books_fen = moved.get((_KINDS[line.action], line.step), (0, 0))
