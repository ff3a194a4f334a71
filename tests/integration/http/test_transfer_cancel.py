"""A transfer that waits for its payee is taken back by its payer over HTTP (CM 5.3.2)."""

from __future__ import annotations

from tests.support.clauses import clause
from tests.support.house import PASSWORD
from tests.support.http import Counter, problem


@clause("CM 5.3.2")
async def test_the_payer_takes_a_waiting_transfer_back(shop: Counter) -> None:
    payer = await shop.subscriber()
    sent = {"payee_phone": "18912340009", "amount_fen": 2_500, "currency": "CNY", "payment_password": PASSWORD}
    held = (await payer.post("/v1/transfers", sent, key="held")).json()
    assert (held["state"], await shop.balance_fen()) == ("WAITING", 97_500)
    path = f"/v1/transfers/{held['transaction_id']}/cancel"
    for _ in range(2):
        answer = await payer.post(path)
        assert (answer.status_code, answer.json()["state"]) == (200, "RETURNED")
        assert await shop.balance_fen() == 100_000
    problem(await payer.post(f"/v1/transfers/txn_{'0' * 32}/cancel"), 404, "unknown_transaction")
