"""Payment orders and their answers as ISO 20022 files: pain.001.001.03 and pain.002.001.03.

The one module that knows the ISO 20022 library. Its classes are made from the schemas, and a file is checked against
what they carry (elements, lengths, patterns, codes) both when it is written and when it is read; so are its count and
its control sum. Bytes in, values out; nothing is moved here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from pyiso20022.pain import pain_001_001_03 as pain001
from pyiso20022.pain import pain_002_001_03 as pain002
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.parsers.config import ParserConfig
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.formats.dataclass.serializers.config import SerializerConfig
from xsdata.models.datatype import XmlDate, XmlDateTime

from mpss.kernel.money import Money

T = TypeVar("T")

ORDERS_MESSAGE = "pain.001.001.03"
PAID = "ACSC"
REJECTED = "RJCT"
PARTLY = "PART"
LARGEST_BYTES = 64 * 1024 * 1024
_FEN = 100


class BadFile(ValueError):
    """The file is not what it should be; the message says what is wrong and repeats no names or numbers of cards."""


class PaymentOrder(NamedTuple):
    """One order; `end_to_end_id` (at most 35 characters) is what the bank knows a repeat by."""

    end_to_end_id: str
    card_number: str
    holder_name: str
    amount_fen: int


class Orders(NamedTuple):
    """A file of payment orders in CNY from one account of ours, `debtor_account` at the bank."""

    message_id: str
    created_at: datetime
    execute_on: date
    bank: str
    debtor_name: str
    debtor_account: str
    orders: tuple[PaymentOrder, ...]


class OrderStatus(NamedTuple):
    """What the bank says of one order: ACSC, RJCT, or that it is on its way; `reason` a code of ISO's and words."""

    end_to_end_id: str
    status: str
    reason: str = ""


class Statuses(NamedTuple):
    """A bank's answer to a file. `group_status` speaks of every order where `orders` is empty; '' says nothing."""

    message_id: str
    created_at: datetime
    original_message_id: str
    group_status: str
    group_reason: str
    orders: tuple[OrderStatus, ...]


def write_orders(file: Orders) -> bytes:
    """The file, checked.

    Raises:
        BadFile: an id, a name or an account does not fit the schema.
    """
    total = _yuan(sum(order.amount_fen for order in file.orders))
    count = str(len(file.orders))
    ours = pain001.PartyIdentification32(nm=file.debtor_name)
    transfers = [_transfer(order) for order in file.orders]
    document = pain001.Document(
        cstmr_cdt_trf_initn=pain001.CustomerCreditTransferInitiationV03(
            grp_hdr=pain001.GroupHeader32(
                msg_id=file.message_id,
                cre_dt_tm=XmlDateTime.from_datetime(file.created_at),
                nb_of_txs=count,
                ctrl_sum=total,
                initg_pty=ours,
            ),
            pmt_inf=[
                pain001.PaymentInstructionInformation3(
                    pmt_inf_id=file.message_id,
                    pmt_mtd=pain001.PaymentMethod3Code.TRF,
                    nb_of_txs=count,
                    ctrl_sum=total,
                    reqd_exctn_dt=XmlDate.from_date(file.execute_on),
                    dbtr=ours,
                    dbtr_acct=_account(file.debtor_account),
                    dbtr_agt=pain001.BranchAndFinancialInstitutionIdentification4(
                        fin_instn_id=pain001.FinancialInstitutionIdentification7(
                            othr=pain001.GenericFinancialIdentification1(id=file.bank)
                        )
                    ),
                    cdt_trf_tx_inf=transfers,
                )
            ],
        )
    )
    return _written(document, pain001.__name__)


def read_orders(content: bytes) -> Orders:
    """
    Raises:
        BadFile: it does not fit the schema, or its count or control sum is not that of its orders.
    """
    document = _read(content, pain001.Document)
    head = document.cstmr_cdt_trf_initn.grp_hdr
    parts = document.cstmr_cdt_trf_initn.pmt_inf
    if len(parts) != 1:
        raise BadFile("must have one PmtInf")
    (part,) = parts
    orders = tuple(_order(transfer) for transfer in part.cdt_trf_tx_inf)
    total = _yuan(sum(order.amount_fen for order in orders))
    for what, said, counted in (
        ("NbOfTxs", {head.nb_of_txs, part.nb_of_txs or head.nb_of_txs}, {str(len(orders))}),
        ("CtrlSum", {head.ctrl_sum, head.ctrl_sum if part.ctrl_sum is None else part.ctrl_sum}, {total}),
    ):
        if said != counted:
            raise BadFile(f"{what} is not that of the orders")
    debtor_account, agent = part.dbtr_acct.id.othr, part.dbtr_agt.fin_instn_id.othr
    if debtor_account is None or agent is None:
        raise BadFile("names no account or bank of ours")
    return Orders(
        head.msg_id, _instant(head.cre_dt_tm), part.reqd_exctn_dt.to_date(), agent.id, part.dbtr.nm or "",
        debtor_account.id, orders,
    )  # fmt: skip


def write_statuses(answer: Statuses) -> bytes:
    """The answer to a file, checked.

    Raises:
        BadFile: an id or a code does not fit the schema.
    """
    transactions = [
        pain002.PaymentTransactionInformation25(
            orgnl_end_to_end_id=order.end_to_end_id,
            tx_sts=_code(pain002.TransactionIndividualStatus3Code, order.status),
            sts_rsn_inf=_reasons(order.reason),
        )
        for order in answer.orders
    ]
    document = pain002.Document(
        cstmr_pmt_sts_rpt=pain002.CustomerPaymentStatusReportV03(
            grp_hdr=pain002.GroupHeader36(
                msg_id=answer.message_id, cre_dt_tm=XmlDateTime.from_datetime(answer.created_at)
            ),
            orgnl_grp_inf_and_sts=pain002.OriginalGroupInformation20(
                orgnl_msg_id=answer.original_message_id,
                orgnl_msg_nm_id=ORDERS_MESSAGE,
                grp_sts=_code(pain002.TransactionGroupStatus3Code, answer.group_status),
                sts_rsn_inf=_reasons(answer.group_reason),
            ),
            orgnl_pmt_inf_and_sts=[
                pain002.OriginalPaymentInformation1(
                    orgnl_pmt_inf_id=answer.original_message_id, tx_inf_and_sts=transactions
                )
            ]
            if transactions
            else [],
        )
    )
    return _written(document, pain002.__name__)


def read_statuses(content: bytes) -> Statuses:
    """
    Raises:
        BadFile: it does not fit the schema, answers no file of orders, or says two things of one order.
    """
    report = _read(content, pain002.Document).cstmr_pmt_sts_rpt
    group = report.orgnl_grp_inf_and_sts
    if group.orgnl_msg_nm_id != ORDERS_MESSAGE:
        raise BadFile(f"OrgnlMsgNmId must be {ORDERS_MESSAGE}")
    orders: dict[str, OrderStatus] = {}
    for part in report.orgnl_pmt_inf_and_sts:
        if part.pmt_inf_sts is not None and not part.tx_inf_and_sts:
            raise BadFile("PmtInfSts without the orders it speaks of")
        for line in part.tx_inf_and_sts:
            if line.orgnl_end_to_end_id is None or line.tx_sts is None:
                raise BadFile("an order's status has no OrgnlEndToEndId or no TxSts")
            said = OrderStatus(line.orgnl_end_to_end_id, line.tx_sts.value, _reason(line.sts_rsn_inf))
            if orders.setdefault(said.end_to_end_id, said).status != said.status:
                raise BadFile("says two things of one order")
    status = "" if group.grp_sts is None else group.grp_sts.value
    if status == PARTLY and not orders:
        raise BadFile("GrpSts PART without orders")
    return Statuses(
        report.grp_hdr.msg_id, _instant(report.grp_hdr.cre_dt_tm), group.orgnl_msg_id, status,
        _reason(group.sts_rsn_inf), tuple(orders.values()),
    )  # fmt: skip


def _transfer(order: PaymentOrder) -> pain001.CreditTransferTransactionInformation10:
    return pain001.CreditTransferTransactionInformation10(
        pmt_id=pain001.PaymentIdentification1(end_to_end_id=order.end_to_end_id),
        amt=pain001.AmountType3Choice(
            instd_amt=pain001.ActiveOrHistoricCurrencyAndAmount(value=_yuan(order.amount_fen), ccy="CNY")
        ),
        cdtr=pain001.PartyIdentification32(nm=order.holder_name),
        cdtr_acct=_account(order.card_number),
    )


def _account(number: str) -> pain001.CashAccount16:
    return pain001.CashAccount16(
        id=pain001.AccountIdentification4Choice(othr=pain001.GenericAccountIdentification1(id=number)), ccy="CNY"
    )


def _order(transfer: Any) -> PaymentOrder:
    amount, account = transfer.amt.instd_amt, transfer.cdtr_acct and transfer.cdtr_acct.id.othr
    if amount is None or account is None or transfer.cdtr is None or not transfer.cdtr.nm:
        raise BadFile("an order has no amount, account or name")
    fen = amount.value * _FEN
    if amount.ccy != "CNY" or fen != int(fen) or fen <= 0:
        raise BadFile("an order's amount is not whole fen of CNY above zero")
    return PaymentOrder(transfer.pmt_id.end_to_end_id, account.id, transfer.cdtr.nm, int(fen))


def _yuan(fen: int) -> Decimal:
    return Decimal(str(Money(fen)))


def _code(kind: type[T], value: str) -> T | None:
    if not value:
        return None
    try:
        return kind(value)  # type: ignore[call-arg]
    except ValueError:
        raise BadFile(f"{kind.__name__} has no {value}") from None


def _reasons(reason: str) -> list[Any]:
    if not reason:
        return []
    code, _, words = reason.partition(" ")
    told = [words[:105]] if words else []
    return [pain002.StatusReasonInformation8(rsn=pain002.StatusReason6Choice(cd=code[:4]), addtl_inf=told)]


def _reason(reasons: Iterable[Any]) -> str:
    parts = []
    for each in reasons:
        code = "" if each.rsn is None else each.rsn.cd or each.rsn.prtry or ""
        parts.append(" ".join([code, *each.addtl_inf]).strip())
    return "; ".join(parts)[:200]


def _instant(value: XmlDateTime) -> datetime:
    try:
        moment = value.to_datetime()
    except (ValueError, OverflowError):
        raise BadFile("CreDtTm is no instant") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _written(document: Any, module: str) -> bytes:
    _check(document, "Document")
    namespace = f"urn:iso:std:iso:20022:tech:xsd:{module.rsplit('.', 1)[1].replace('_', '.')}"
    serializer = XmlSerializer(config=SerializerConfig(indent=" "))
    return serializer.render(document, ns_map={None: namespace}).encode()


def _read(content: bytes, kind: type[T]) -> T:
    if len(content) > LARGEST_BYTES:
        raise BadFile("the file is too large")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise BadFile("the file declares a document type")
    config = ParserConfig(
        fail_on_unknown_properties=True, fail_on_unknown_attributes=True, fail_on_converter_warnings=True
    )
    try:
        document = XmlParser(config=config).from_bytes(content, kind)
    except Exception as problem:  # Whatever a library says of foreign bytes, they are no message; nothing has moved.
        raise BadFile(f"not a message of its kind: {type(problem).__name__}") from None
    _check(document, "Document")
    return document


def _check(value: Any, path: str) -> None:
    """What the schema says of lengths, patterns and counts; the classes carry it as the schema has it."""
    for item in fields(value):
        found, rules = getattr(value, item.name), item.metadata
        where = f"{path}/{rules.get('name', item.name)}"
        several = found if isinstance(found, list) else [] if found is None else [found]
        if rules.get("required") and found is None:
            raise BadFile(f"{where} is missing")
        if isinstance(found, list) and len(found) < rules.get("min_occurs", 0):
            raise BadFile(f"{where} is missing")
        if isinstance(found, list) and len(found) > rules.get("max_occurs", len(found)):
            raise BadFile(f"{where} comes too often")
        for each in several:
            if is_dataclass(each):
                _check(each, where)
            elif isinstance(each, str):
                _check_text(each, rules, where)
            elif isinstance(each, Decimal):
                _check_number(each, rules, where)


def _check_text(text: str, rules: Any, where: str) -> None:
    if not rules.get("min_length", 0) <= len(text) <= rules.get("max_length", len(text)):
        raise BadFile(f"{where} has the wrong length")
    if "pattern" in rules and re.fullmatch(rules["pattern"], text) is None:
        raise BadFile(f"{where} is not of its pattern")


def _check_number(number: Decimal, rules: Any, where: str) -> None:
    if not number.is_finite():
        raise BadFile(f"{where} is not a number of its kind")
    _, digits, exponent = number.as_tuple()
    places = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    fits = len(digits) <= rules.get("total_digits", len(digits)) and places <= rules.get("fraction_digits", places)
    if not fits or number < rules.get("min_inclusive", number):
        raise BadFile(f"{where} is not a number of its kind")
