"""Bank cards bound and unbound by the clerk of a service hall (CM 6.4.7.1, 6.6.1.1, 6.6.2.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mpss.db.database import Database
from mpss.simulators.bank_faults import Fault, FaultKind
from mpss.staff.permissions import Permission
from mpss.wire.iso8583.messages import Service
from tests.integration.banks.conftest import HOLDER, Connected
from tests.integration.banks.scene import CARD, bank_counter
from tests.support.clauses import clause
from tests.support.house import notices
from tests.support.http import Caller, Counter, audited, problem
from tests.support.market import PHONE

ASKED: dict[str, Any] = {"phone": PHONE, "bank": "ICBC", "card_number": CARD, "holder_name": HOLDER}
UNBIND = {"phone": PHONE, "last_digits": "0015"}


@pytest.fixture
async def shop(database: Database, tmp_path: Path, connected: Connected) -> AsyncIterator[Counter]:
    connected.bank.store.open_card(CARD, holder_name=HOLDER, phone=PHONE, balance_fen=200_000)
    async with bank_counter(database, tmp_path, connected.port) as made:
        yield made


async def clerk_of(shop: Counter) -> Caller:
    return await shop.staff(Permission.CARD_MANAGE, name="counter", hall="H01", clerk="C07")


@clause("CM 6.6.1.1", "CM 6.6.2.1", "CM 6.4.7.1")
class TestTheClerk:
    async def test_binds_lists_and_unbinds_for_a_customer_who_is_told(self, shop: Counter) -> None:
        clerk, payer = await clerk_of(shop), await shop.subscriber()
        made = await clerk.post("/v1/staff/cards", ASKED)
        assert (made.status_code, made.json()["state"], made.json()["verify_by"]) == (201, "bound", "counter")
        assert CARD not in made.text
        assert (await payer.get("/v1/account/cards")).json()["items"] == [made.json()]
        assert (await clerk.post("/v1/staff/cards/list", {"phone": PHONE})).json()["items"] == [made.json()]
        assert (await notices(shop.runtime, PHONE))[-1] == ("card_bound", {"card": "0015"})
        assert (await clerk.post("/v1/staff/cards/unbind", UNBIND)).status_code == 204
        assert (await notices(shop.runtime, PHONE))[-1] == ("card_unbound", {"card": "0015"})
        problem(await clerk.post("/v1/staff/cards/unbind", UNBIND), 404, "unknown_card")
        assert [action for action, _ in await audited(shop, "card")] == ["card.bind", "card.unbind"]
        detail = {"card_id": made.json()["card_id"], "bank": "ICBC", "hall": "H01", "clerk": "C07"}
        assert [each for _, each in await audited(shop, "card")] == [detail, detail]

    async def test_cannot_bind_what_the_bank_does_not_know(self, shop: Counter, connected: Connected) -> None:
        clerk = await clerk_of(shop)
        problem(await clerk.post("/v1/staff/cards", {**ASKED, "holder_name": "王五"}), 403, "card_refused")
        problem(await clerk.post("/v1/staff/cards", {**ASKED, "phone": "18912340077"}), 404, "unknown_account")
        wrong = await clerk.post("/v1/staff/cards", {**ASKED, "card_number": "6222020000000016"})
        assert problem(wrong, 400, "malformed_request")["errors"][0]["field"] == "card_number"
        connected.bank.faults.add(Fault(FaultKind.DECLINE, 1, service=Service.VERIFY, code="62"))
        problem(await clerk.post("/v1/staff/cards", ASKED), 403, "card_refused")
        assert await audited(shop, "card") == []
        assert (await clerk.post("/v1/staff/cards/list", {"phone": PHONE})).json()["items"] == []

    async def test_needs_the_permission_and_a_hall(self, shop: Counter) -> None:
        teller = await shop.staff(Permission.CASH_TOPUP, name="teller", hall="H01", clerk="C08")
        desk_less = await shop.staff(Permission.CARD_MANAGE, name="office")
        for caller in (teller, desk_less):
            problem(await caller.post("/v1/staff/cards", ASKED), 403, "forbidden")
            problem(await caller.post("/v1/staff/cards/list", {"phone": PHONE}), 403, "forbidden")
            problem(await caller.post("/v1/staff/cards/unbind", UNBIND), 403, "forbidden")
        assert await audited(shop, "card") == []

    async def test_is_no_way_of_the_customers_own(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        own = {name: value for name, value in ASKED.items() if name != "phone"}
        answer = await payer.post("/v1/account/cards", {**own, "verify_by": "counter"})
        assert problem(answer, 400, "malformed_request")["errors"][0]["field"] == "verify_by"
