"""Payment-order files: what is written is what the schemas of ISO 20022 ask for, and what is read is no other thing."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given
from hypothesis.strategies import binary, builds, characters, integers, lists, sampled_from, text

from mpss.wire.pain import (
    BadFile,
    Orders,
    OrderStatus,
    PaymentOrder,
    Statuses,
    read_orders,
    read_statuses,
    write_orders,
    write_statuses,
)
from tests.support.instants import NOON, TODAY


def schema(path: str) -> xmlschema.XMLSchema:
    """The schema as the Registration Authority publishes it, out of a package that carries it."""
    return xmlschema.XMLSchema(Path(str(distribution("pain001").locate_file(f"pain001/{path}"))).read_text())


ORDERS_SCHEMA = schema("templates/pain.001.001.03/pain.001.001.03.xsd")
STATUSES_SCHEMA = schema("pain002/schemas/pain.002.001.03.xsd")

IDS = text("0123456789abcdef", min_size=32, max_size=32)
NAMES = text(characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=40)
ORDERS = lists(
    builds(PaymentOrder, IDS, text("0123456789", min_size=12, max_size=19), NAMES, integers(1, 10**9)),
    min_size=1,
    max_size=5,
)
REASONS = sampled_from(["", "AC01", "BE01 another name"])
STATUSES = lists(
    builds(OrderStatus, IDS, sampled_from(["ACSC", "RJCT", "ACCP", "PDNG"]), REASONS),
    max_size=5,
    unique_by=lambda status: status.end_to_end_id,
)  # fmt: skip


def file_of(orders: list[PaymentOrder]) -> Orders:
    return Orders("MPSS-BEIHU-20260301-0", NOON, TODAY, "BEIHU", "MPSS 备付金", "1000200030004000", tuple(orders))


def answer_of(orders: list[OrderStatus], group: str = "PART") -> Statuses:
    return Statuses("BEIHU-1", NOON, "MPSS-BEIHU-20260301-0", group if orders else "ACSC", "", tuple(orders))


@given(orders=ORDERS)
def test_orders_fit_the_schema_and_come_back(orders: list[PaymentOrder]) -> None:
    content = write_orders(file_of(orders))
    ORDERS_SCHEMA.validate(content.decode())
    assert read_orders(content) == file_of(orders)


@given(orders=STATUSES)
def test_statuses_fit_the_schema_and_come_back(orders: list[OrderStatus]) -> None:
    content = write_statuses(answer_of(orders))
    STATUSES_SCHEMA.validate(content.decode())
    assert read_statuses(content) == answer_of(orders)


@given(content=binary(max_size=200))
def test_anything_else_is_refused(content: bytes) -> None:
    for read in (read_orders, read_statuses):
        with pytest.raises(BadFile):
            read(content)


GOOD = write_orders(file_of([PaymentOrder("a" * 32, "6222020000000015", "李小明", 20_000)])).decode()
SAID = write_statuses(answer_of([OrderStatus("a" * 32, "ACSC")])).decode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<NbOfTxs>1", "<NbOfTxs>2"),
        ("<CtrlSum>200.00", "<CtrlSum>200.01"),
        ('Ccy="CNY"', 'Ccy="USD"'),
        (">200.00</InstdAmt>", ">200.005</InstdAmt>"),
        (">200.00</InstdAmt>", ">NaN</InstdAmt>"),
        (">200.00</InstdAmt>", ">-200.00</InstdAmt>"),
        ("<CtrlSum>200.00", "<CtrlSum>Infinity"),
        ("<CreDtTm>2026", "<CreDtTm>99999"),
        ("<PmtMtd>TRF", "<PmtMtd>GIFT"),
        ("<MsgId>", "<MsgId>" + "x" * 40),
        ("<EndToEndId>" + "a" * 32 + "</EndToEndId>", ""),
        ("<Nm>李小明</Nm>", ""),
        ("<PmtMtd>", "<Unheard>1</Unheard><PmtMtd>"),
        ("<Document ", '<!DOCTYPE d [<!ENTITY e "x">]><Document '),
        ("</Document>", ""),
    ],
)
def test_a_file_of_orders_that_is_wrong_is_refused(old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(BadFile):
        read_orders(GOOD.replace(old, new).encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<TxSts>ACSC", "<TxSts>PAID"),
        ("<GrpSts>PART", "<GrpSts>FINE"),
        ("pain.001.001.03</OrgnlMsgNmId>", "pain.008.001.02</OrgnlMsgNmId>"),
        ("<TxSts>ACSC</TxSts>", ""),
        ("<OrgnlMsgId>", "<OrgnlMsgId>" + "x" * 40),
        ("pain.002.001.03", "pain.002.001.02"),
    ],
)
def test_an_answer_that_is_wrong_is_refused(old: str, new: str) -> None:
    assert old in SAID
    with pytest.raises(BadFile):
        read_statuses(SAID.replace(old, new).encode())


def test_an_answer_that_says_two_things_of_one_order_is_refused() -> None:
    with pytest.raises(BadFile, match="two things"):
        read_statuses(write_statuses(answer_of([OrderStatus("a" * 32, "ACSC"), OrderStatus("a" * 32, "RJCT")])))


@pytest.mark.parametrize("name", ["Anna  Maria", "李\u3000小明", "<&>\"'", "é́"])
def test_a_name_comes_back_as_it_is(name: str) -> None:
    file = file_of([PaymentOrder("a" * 32, "6222020000000015", name, 1)])
    assert read_orders(write_orders(file)) == file


def test_a_name_that_is_too_long_is_not_written() -> None:
    with pytest.raises(BadFile, match=r"Cdtr/Nm has the wrong length"):
        write_orders(file_of([PaymentOrder("a" * 32, "6222020000000015", "名" * 141, 1)]))
