from __future__ import annotations

from mpss.kernel.ids import MerchantId, OutboxId, ProductId, TransactionId
from mpss.outbox.model import OutboxItem, delivery, notice, webhook
from mpss.outbox.store import OUTBOX
from mpss.ports.merchant import DeliveryOrder
from tests.support.instants import NOON


def item(row: tuple[object, ...]) -> OutboxItem:
    id_, kind, reference, recipient, payload, _, created_at, _ = row
    return OutboxItem(id_, kind, reference, recipient, payload, 7, 1, created_at)  # type: ignore[arg-type]


class TestARow:
    def test_of_a_delivery_has_its_transactions_id_and_reads_as_the_order(self) -> None:
        transaction_id, product_id, merchant_id = TransactionId.new(NOON), ProductId.new(NOON), MerchantId.new(NOON)
        row = delivery(
            transaction_id, merchant_id=merchant_id, product_id=product_id, quantity=2, amount_fen=5000,
            phone="+8618912340001", merchant_order_no=None, now=NOON,
        )  # fmt: skip
        assert len(row) == len(OUTBOX.types)
        made = item(row)
        assert (made.id, made.recipient) == (transaction_id, str(merchant_id))
        assert DeliveryOrder(**made.body()) == DeliveryOrder(
            str(transaction_id), str(product_id), 2, 5000, "+8618912340001", None, NOON.isoformat()
        )

    def test_of_a_notice_holds_the_event_and_its_facts(self) -> None:
        made = item(
            notice(
                OutboxId.new(NOON),
                reference=TransactionId.new(NOON),
                phone="+8618912340001",
                event="paid",
                language="zh-CN",
                params={"amount_fen": 2500, "merchant": "小卖部"},
                now=NOON,
            )
        )
        assert made.body() == {
            "event": "paid", "language": "zh-CN", "params": {"amount_fen": 2500, "merchant": "小卖部"},
        }  # fmt: skip
        assert "小卖部" in made.payload

    def test_of_a_webhook_is_formed_as_standard_webhooks_asks(self) -> None:
        made = item(
            webhook(
                OutboxId.new(NOON),
                merchant_id=MerchantId.new(NOON),
                event="purchase.reversed",
                reference=TransactionId.new(NOON),
                data={"amount_fen": 2500},
                now=NOON,
            )
        )
        assert made.body() == {
            "type": "purchase.reversed", "timestamp": NOON.isoformat(), "data": {"amount_fen": 2500},
        }  # fmt: skip
