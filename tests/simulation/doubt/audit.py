"""The end of a storm: our requests and the others' books line by line, and our books against what we answered."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.ledger.balances import gathered_balance_fen, stored_balance
from mpss.ledger.chart import FEE_INCOME
from mpss.simulators.bank_orders import BACK, SENT
from mpss.transactions.verify import verify
from tests.simulation.doubt.counter import sent
from tests.simulation.doubt.model import PENDING
from tests.simulation.doubt.operations import OPERATIONS, SALES, merchant_of
from tests.simulation.doubt.outside import CLOSED, Simulator
from tests.simulation.doubt.setting import OPENING_FEN, POOR_FEN
from tests.simulation.doubt.storm import Storm
from tests.support.market import outside

_APPROVED: LiteralString = """
    SELECT counterpart, operation, session, original_session, amount_fen FROM funding_request WHERE state = 'APPROVED'
"""
_FIGURES: dict[str, LiteralString] = {
    "requests": "SELECT count(*) FROM funding_request",
    "requests asked again": "SELECT count(*) FROM funding_request WHERE attempts > 1",
    "times asked again": "SELECT sum(attempts - 1) FROM funding_request",
    "given up": "SELECT count(*) FROM funding_request WHERE reason LIKE 'given up%'",
    "payers told of doubt": "SELECT count(*) FROM outbox WHERE kind = 'notice' AND payload LIKE '%in_doubt%'",
}
_PAYABLE: LiteralString = "SELECT ledger_account_id FROM merchant WHERE id = %(id)s"
_STOCK: LiteralString = "SELECT coalesce(sum(available), 0) FROM product_stock WHERE product_id = %(id)s"
_TWICE: LiteralString = """
    SELECT count(*) FROM (SELECT FROM transaction GROUP BY caller, idempotency_key HAVING count(*) > 1) AS twice
"""
_REFUNDS: LiteralString = """
    SELECT f.session, f.transaction_id FROM funding_request AS f JOIN transaction AS t ON t.id = f.transaction_id
     WHERE f.operation = 'credit' AND t.kind = 'reversal'
"""
_SENT_BY_BANK: LiteralString = """
    SELECT idempotency_key AS reference, amount_fen FROM transaction
     WHERE kind = 'bank_topup' AND state = 'SUCCEEDED' AND caller = %(caller)s
"""
_MOVES_OUT = ("debit", "collect")


async def compare(storm: Storm) -> None:
    """
    Raises:
        AssertionError: the books differ.
    """
    async with storm.database.read() as uow:
        broken = [check for check in await verify(uow) if not check.holds]
        assert not broken, broken
        approved: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in await uow.dicts(_APPROVED):
            approved[row["counterpart"]].append(row)
        for name, sql in _FIGURES.items():
            storm.counts[name] = int(await uow.value(sql) or 0)
        closed = await _closed(storm)
        to_wallet = {str(row["transaction_id"]) for row in await uow.dicts(_REFUNDS) if row["session"] in closed}
        await _answers_add_up(storm, uow, to_wallet)
        topups = {bank.name: await uow.dicts(_SENT_BY_BANK, {"caller": f"bank:{bank.name}"}) for bank in storm.banks}
    _delivered(storm)
    await _charging_agrees(storm, approved.pop("charging", []))
    for bank in storm.banks:
        await _bank_agrees(storm, bank, approved.pop(bank.name, []), topups[bank.name])
    assert not approved, f"answers of nobody: {list(approved)}"


async def _closed(storm: Storm) -> set[str]:
    """The references of credits to a card that its bank said was closed."""
    found: set[str] = set()
    for bank in storm.banks:
        for row in (await bank.control("GET", "/requests"))["requests"]:
            if row["service"] == "credit" and row["response"] in CLOSED:
                found.add(row["reference"])
    return found


def _delivered(storm: Storm) -> None:
    """Whoever paid for goods was delivered them; the shop's own book says so."""
    results = {order.transaction_id: order.answer["result"] for shop in storm.shops for order in shop.book.orders()}
    for deed, found in storm.known():
        if deed.goods is not None and found.state in ("SUCCEEDED", "REVERSED"):
            assert results.get(outside(UUID(found.id))) == "delivered", f"{deed} was paid and not delivered: {found}"
        elif deed.goods is not None and results.get(outside(UUID(found.id))) == "delivered":
            storm.counts["delivered too late to be charged"] += 1


async def _charging_agrees(storm: Storm, approved: list[dict[str, Any]]) -> None:
    """Each line of the OCS is a commit or refund of ours, and the other way round; nothing stays reserved."""
    ocs = storm.simulators["ocs"]
    names = {"commit": "charge", "refund": "refund"}
    ours = Counter(
        (row["session"], names[row["operation"]], row["amount_fen"], row["original_session"])
        for row in approved
        if row["operation"] in names
    )
    lines: list[dict[str, Any]] = []
    while page := (await ocs.control("GET", f"/ledger?after={lines[-1]['id'] if lines else 0}"))["lines"]:
        lines += page
    theirs = Counter(
        (line["session_id"], line["kind"], line["amount_fen"], line["original_session_id"]) for line in lines
    )
    assert ours == theirs, f"ours alone: {ours - theirs}; theirs alone: {theirs - ours}"
    assert (await ocs.control("GET", "/sessions?state=open"))["sessions"] == []
    changes: Counter[str] = Counter()
    for line in lines:
        changes[line["phone"]] += line["amount_fen"] * (1 if line["kind"] == "refund" else -1)
    for subscriber in (await ocs.control("GET", "/subscribers"))["subscribers"]:
        opening = POOR_FEN if subscriber["phone"] == storm.world.payers[-1].phone else OPENING_FEN
        assert subscriber["reserved_fen"] == 0
        assert subscriber["balance_fen"] == opening + changes[subscriber["phone"]], subscriber
    storm.counts["lines of the OCS"] = len(lines)


async def _bank_agrees(
    storm: Storm, bank: Simulator, approved: list[dict[str, Any]], topups: list[dict[str, Any]]
) -> None:
    """Each line of the bank that stands is a debit, collection or credit of ours; each undoing a reversal of ours.

    What its customers sent and kept are our `topups`.
    """
    code, every = bank.name, (await bank.control("GET", "/lines"))["lines"]
    back = {line["original"] for line in every if line["service"] == BACK}
    kept = Counter(
        (line["reference"], -line["amount_fen"])
        for line in every
        if line["service"] == SENT and line["reference"] not in back
    )
    credited = Counter((row["reference"], row["amount_fen"]) for row in topups)
    assert credited == kept, f"{code}: ours alone: {credited - kept}; theirs alone: {kept - credited}"
    lines = [line for line in every if line["service"] not in ("opening", SENT, BACK)]
    undone = Counter((line["original"], line["reference"]) for line in lines if line["service"] == "reverse")
    reversals = Counter((row["original_session"], row["session"]) for row in approved if row["operation"] == "reverse")
    assert undone <= reversals, f"{code} undid what we did not ask for: {undone - reversals}"
    assert len({original for original, _ in undone}) == undone.total(), f"{code} undid twice"
    taken_back = {original for original, _ in undone}
    theirs = Counter(
        (line["reference"], line["service"], abs(line["amount_fen"]))
        for line in lines
        if line["service"] != "reverse" and line["reference"] not in taken_back
    )
    given_back = {original for original, _ in reversals}
    ours = Counter(
        (row["session"], row["operation"], row["amount_fen"])
        for row in approved
        if row["operation"] in (*_MOVES_OUT, "credit") and row["session"] not in given_back
    )
    assert ours == theirs, f"{code}: ours alone: {ours - theirs}; theirs alone: {theirs - ours}"
    for line in lines:
        assert (line["amount_fen"] < 0) == (line["service"] in _MOVES_OUT), line
    for card in (await bank.control("GET", "/cards"))["cards"]:
        assert card["frozen_fen"] == 0, card
    held = [row for row in (await bank.control("GET", "/requests"))["requests"] if row["held_fen"]]
    assert held == []
    storm.counts[f"lines of {code}"] = len(lines)
    storm.counts[f"lines of {code} undone"] = len(undone)


async def _answers_add_up(storm: Storm, uow: UnitOfWork, to_wallet: set[str]) -> None:
    """Wallets, payables, fees and stock are what the last answers say; `to_wallet` are refunds of closed cards."""
    places = {payer.id: place for place, payer in enumerate(storm.world.payers)}
    by_bank = await sent(storm)
    wallets = Counter({place: by_bank[payer.phone] for place, payer in enumerate(storm.world.payers)})
    payables: Counter[str] = Counter()
    sold: Counter[int] = Counter()
    fees = 0
    for deed, found in storm.known():
        storm.counts[f"{deed.kind} {found.refusal or found.state}"] += 1
        assert found.state not in PENDING, f"{deed}: {found}"
        if found.state != "SUCCEEDED":
            continue
        fees += found.fee_fen if deed.kind != "reverse" else 0
        wallets[deed.payer] += OPERATIONS[deed.kind].wallet_sign * (found.amount_fen + found.fee_fen)
        if found.id in to_wallet:
            assert found.account_id is not None
            wallets[places[found.account_id]] += found.amount_fen + found.fee_fen
            storm.counts["refunds to the wallet"] += 1
        if deed.kind in SALES:
            payables[storm.world.merchants[merchant_of(storm.world, deed)]] += found.amount_fen
            if deed.goods is not None:
                sold[deed.goods] += deed.quantity
    for number, payer in enumerate(storm.world.payers):
        stored = await stored_balance(uow, payer.ledger_account_id)
        assert stored is not None
        assert (stored.balance_fen, stored.held_fen) == (wallets[number], 0), f"{payer}: {stored} {wallets[number]}"
    for merchant in storm.world.merchants:
        account = int(await uow.value(_PAYABLE, {"id": UUID(merchant)}))
        assert -await gathered_balance_fen(uow, account) == payables[merchant]
    assert -await gathered_balance_fen(uow, FEE_INCOME) == fees
    for number, shelf in enumerate(storm.world.goods):
        if shelf.stock is not None:
            assert int(await uow.value(_STOCK, {"id": UUID(shelf.id)})) == shelf.stock - sold[number], shelf
    assert await uow.value(_TWICE) == 0
    assert await uow.value("SELECT count(*) FROM transaction WHERE channel = 'http'") == len(storm.finals)
