"""What needs a bank, in each state of the account: as the printed table says (CM 7.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mpss.accounts.state import ALLOWED, REFUSALS, EffectiveState, Operation
from mpss.db.database import Database
from mpss.kernel.errors import ErrorCode
from mpss.wire.iso8583.fields import ProfileName
from tests.integration.banks.conftest import HOLDER, Connected
from tests.integration.http.test_account_state import AT_A_BANK, FACTS, GONE, put_into
from tests.support.clauses import clause
from tests.support.house import PASSWORD, last_secret
from tests.support.http import Caller, Counter, counter
from tests.support.market import PHONE, market

FIRST, SECOND = "6222020000000015", "6222020000000023"


@pytest.fixture
async def shop(database: Database, tmp_path: Path, connected: Connected) -> AsyncIterator[Counter]:
    for card in (FIRST, SECOND):
        connected.bank.store.open_card(card, holder_name=HOLDER, phone=PHONE, balance_fen=100_000)
    async with market(database, tmp_path) as opened:
        opened.runtime = replace(opened.runtime, ports=replace(opened.runtime.ports, banks=connected.port))
        async with counter(opened, rate_per_second=0, source_rate_per_second=0) as api:
            yield api


async def bind(payer: Caller, number: str) -> Any:
    return await payer.post("/v1/account/cards", {"bank": "ICBC", "card_number": number, "holder_name": HOLDER})


async def bound(shop: Counter, payer: Caller) -> str:
    card_id = (await bind(payer, FIRST)).json()["card_id"]
    code = await last_secret(shop.runtime, PHONE, "code", "code_sealed")
    told = await payer.post(f"/v1/account/cards/{card_id}/confirm", {"code": code})
    assert told.json()["state"] == "bound", told.text
    return str(card_id)


async def _top_up(payer: Caller, card_id: str) -> Any:
    body = {"card_id": card_id, "amount_fen": 1_000, "currency": "CNY", "payment_password": PASSWORD}
    return await payer.post("/v1/topups/bank-card", body)


async def _withdraw(payer: Caller, card_id: str) -> Any:
    body = {"card_id": card_id, "amount_fen": 1_000, "currency": "CNY", "payment_password": PASSWORD}
    return await payer.post("/v1/account/withdrawals", body)


async def _bind(payer: Caller, card_id: str) -> Any:
    return await bind(payer, SECOND)


async def _unbind(payer: Caller, card_id: str) -> Any:
    return await payer.send("DELETE", f"/v1/account/cards/{card_id}", {"payment_password": PASSWORD})


TRIES: dict[Operation, Callable[[Caller, str], Awaitable[Any]]] = {
    Operation.TOP_UP: _top_up,
    Operation.WITHDRAW: _withdraw,
    Operation.BIND_CARD: _bind,
    Operation.UNBIND_CARD: _unbind,
}


@clause("CM 7.6")
@pytest.mark.parametrize("connected", [ProfileName.ASCII], indirect=True)
@pytest.mark.parametrize("state", FACTS)
async def test_each_operation_in_each_state_does_what_the_printed_table_says(
    shop: Counter, state: EffectiveState
) -> None:
    assert set(TRIES) == AT_A_BANK
    card_id = await bound(shop, await shop.subscriber())
    for operation, attempt in TRIES.items():
        shop.market.clock.advance(timedelta(hours=2))
        await put_into(shop, EffectiveState.ACTIVE)
        payer = await shop.subscriber()
        await put_into(shop, state)
        answer = await attempt(payer, card_id)
        code = None if answer.status_code < 400 else ErrorCode(answer.json()["code"])
        if operation in ALLOWED[state]:
            assert code is None, (operation, code)
        else:
            wanted = {REFUSALS[state]} | (GONE if state is EffectiveState.CLOSED else set())
            assert code in wanted, (operation, code)
