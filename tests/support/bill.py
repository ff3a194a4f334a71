"""Purchases from the phone bill at the desk: asked for as commands, answered as the charging system would be."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from mpss.accounts.password_rules import candidate_digests, fingerprint
from mpss.desk.model import Answer, Transaction, TransactionKind, digest_of
from mpss.kernel.ids import FundingId, TransactionId
from mpss.kernel.outcome import Outcome
from mpss.runtime import Runtime
from mpss.transactions.funding.bank_request import NewRequest
from mpss.transactions.funding.store import OpenRequest, get_request, taking_request
from mpss.transactions.model import Asked, Proof
from mpss.transactions.purchases.collect import AnswerFunding
from mpss.transactions.purchases.funded_request import from_phone_bill
from mpss.transactions.purchases.purchase import PurchaseCommand
from mpss.transactions.purchases.sale import Sale
from mpss.transactions.queries import get_transaction
from mpss.transactions.resolve import list_open
from mpss.transactions.verify import verify
from tests.support.house import PASSWORD
from tests.support.market import Market


async def intend(market: Market, key: str, *, product: UUID | None = None, amount_fen: int | None = None) -> Answer:
    """The purchase as the desk writes it, its reservation not yet sent: what a killed process leaves."""
    runtime, account_id, now = market.runtime, market.payer.account_id, market.runtime.clock.now()
    sale = Sale(account_id, market.merchant.id, product, 1 if product is not None else 0, amount_fen, None)
    keys = runtime.ports.key_store
    proof = Proof(candidate_digests(keys, account_id, PASSWORD), False, fingerprint(keys, PASSWORD), "test")
    body = digest_of(TransactionKind.PURCHASE, key, str(product), amount_fen)
    asked = Asked(TransactionId.new(now), f"account:{account_id}", key, body, now, "http")
    return await runtime.desk.submit(
        PurchaseCommand(asked, sale, runtime.policy, proof, collection=from_phone_bill(now))
    )  # fmt: skip


async def under_way(runtime: Runtime) -> OpenRequest:
    """The one request that is not settled."""
    (found,) = await list_open(runtime)
    return found


async def answer(runtime: Runtime, outcome: Outcome, *, request_id: UUID | None = None) -> Transaction:
    """Record this answer to the one request under way, or to a given one."""
    request_id = request_id or (await under_way(runtime)).id
    async with runtime.database.read() as uow:
        request = await get_request(uow, request_id)
        assert request is not None
        served = await get_transaction(uow, request.transaction_id)
        assert served is not None
        sale = served if served.original_id is None else await get_transaction(uow, served.original_id)
        assert sale is not None
        take = await taking_request(uow, sale.id)
        assert take is not None
    now = runtime.clock.now()
    reversal = served if served is not sale else None
    new = NewRequest(FundingId.new(now), "")
    command = AnswerFunding(
        sale, now, runtime.policy, new, take, request_id, outcome, now + timedelta(seconds=1), reversal
    )
    return (await runtime.desk.submit(command)).transaction


async def stands(runtime: Runtime, transaction_id: UUID) -> str:
    async with runtime.database.read() as uow:
        found = await get_transaction(uow, transaction_id)
    assert found is not None
    return found.state


async def assert_sound(runtime: Runtime) -> None:
    async with runtime.database.read() as uow:
        assert [check for check in await verify(uow) if not check.holds] == []
