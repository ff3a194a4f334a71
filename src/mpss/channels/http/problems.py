"""The reply table of the HTTP channel: every ErrorCode as a status and a title, told as a problem document (RFC 9457).

A document names the fields at fault and never repeats what was sent: a wrong field may hold a secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mpss.kernel.errors import ErrorCode

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:mpss:problem:"

_C = ErrorCode


class Reply(NamedTuple):
    """How a code is told: the status, and a title in each language."""

    status: int
    zh: str
    en: str


REPLIES: dict[ErrorCode, Reply] = {
    _C.MALFORMED_REQUEST: Reply(400, "请求格式不正确", "The request is malformed"),
    _C.UNSUPPORTED_CURRENCY: Reply(400, "不支持该币种", "The currency is not supported"),
    _C.AMOUNT_OUT_OF_RANGE: Reply(400, "金额超出允许范围", "The amount is out of range"),
    _C.PAYLOAD_TOO_LARGE: Reply(413, "请求内容过大", "The request is too large"),
    _C.UNSUPPORTED_MEDIA_TYPE: Reply(415, "不支持该内容类型", "The media type is not supported"),
    _C.METHOD_NOT_ALLOWED: Reply(405, "不允许该方法", "The method is not allowed"),
    _C.IDEMPOTENCY_KEY_REQUIRED: Reply(400, "缺少 Idempotency-Key", "The Idempotency-Key header is required"),
    _C.UNAUTHENTICATED: Reply(401, "未登录或凭证无效", "The caller is not authenticated"),
    _C.SIGNATURE_INVALID: Reply(401, "签名无效", "The signature is invalid"),
    _C.SIGNATURE_REPLAYED: Reply(401, "签名已被使用", "The signature was used before"),
    _C.FORBIDDEN: Reply(403, "没有权限", "The caller may not do this"),
    _C.RATE_LIMITED: Reply(429, "请求过于频繁", "Too many requests"),
    _C.KEY_REUSED: Reply(422, "Idempotency-Key 已用于另一请求", "The Idempotency-Key was used for another request"),
    _C.ALREADY_TOMBSTONED: Reply(409, "该订单已被冲正", "The order was reversed before it arrived"),
    _C.DUPLICATE_ORDER: Reply(409, "商户订单号重复", "The merchant's order number was used before"),
    _C.NOT_FOUND: Reply(404, "未找到", "Not found"),
    _C.UNKNOWN_ACCOUNT: Reply(404, "账户不存在", "The account is unknown"),
    _C.UNKNOWN_MERCHANT: Reply(404, "商户不存在", "The merchant is unknown"),
    _C.UNKNOWN_PRODUCT: Reply(404, "商品不存在", "The product is unknown"),
    _C.UNKNOWN_TRANSACTION: Reply(404, "交易不存在", "The transaction is unknown"),
    _C.UNKNOWN_VOUCHER: Reply(404, "充值卡不存在", "The voucher is unknown"),
    _C.UNKNOWN_CARD: Reply(404, "银行卡不存在", "The bank card is unknown"),
    _C.UNKNOWN_PAYEE: Reply(404, "定向转账关系不存在", "The directed relation is unknown"),
    _C.OUT_OF_SCOPE: Reply(403, "该商品不向您所在地区提供", "The product is not sold to this subscriber"),
    _C.SELF_TRANSFER: Reply(422, "不能转账给自己", "Nobody transfers to oneself"),
    _C.ACCOUNT_EXISTS: Reply(409, "该号码已开户", "The number has an account already"),
    _C.ACCOUNT_CLOSED: Reply(409, "账户已销户", "The account is closed"),
    _C.ACCOUNT_CLOSING: Reply(409, "账户正在销户", "The account is being closed"),
    _C.FROZEN_BY_LAW: Reply(403, "账户已被依法冻结", "The account is frozen by law"),
    _C.LOSS_WRITTEN: Reply(403, "账户已书面挂失", "Loss was reported in writing"),
    _C.LOSS_ORAL: Reply(403, "账户已口头挂失", "Loss was reported by voice or portal"),
    _C.FROZEN_FOR_RISK: Reply(403, "账户因风险控制被冻结", "The account is frozen for a risk"),
    _C.FROZEN_BY_USER: Reply(403, "账户已由本人冻结", "The account is frozen by its holder"),
    _C.NUMBER_STOPPED: Reply(403, "手机号码已停机", "The phone number is stopped"),
    _C.DOCUMENT_EXPIRED: Reply(
        403, "登记的证件已过期，请更新证件", "The identity document has expired; renew it first"
    ),
    _C.NUMBER_NOT_IN_SERVICE: Reply(
        403, "该号码未在网或未实名登记", "The number is not in service, or registered to nobody"
    ),
    _C.NUMBER_REASSIGNED: Reply(409, "号码已易主，原账户不再属于该号码", "The number is another owner's now"),
    _C.ACCOUNT_DORMANT: Reply(403, "账户已沉默，请重新验证身份", "The account is dormant; verify again to wake it"),
    _C.CLOSING_BLOCKED: Reply(409, "账户尚不满足销户条件", "Something stands in the way of the closing"),
    _C.ACCOUNT_NOT_ACTIVE: Reply(409, "账户状态不正常", "The account is not active"),
    _C.MERCHANT_NOT_ACTIVE: Reply(409, "商户状态不正常", "The merchant is not active"),
    _C.MERCHANT_CLOSING: Reply(409, "商户正在销户，已停止收款", "The merchant is closing and takes no payments"),
    _C.PRODUCT_NOT_ON_SALE: Reply(409, "商品未上架", "The product is not on sale"),
    _C.PRODUCT_CHANGED: Reply(409, "商品内容已修改", "The product was edited meanwhile"),
    _C.ILLEGAL_STATE: Reply(409, "当前状态不允许此操作", "The present state does not allow this"),
    _C.CONFIRMATION_EXPIRED: Reply(409, "确认已超时", "The time to confirm is over"),
    _C.VOUCHER_NOT_ACTIVE: Reply(409, "充值卡未激活或已过期", "The voucher is not active"),
    _C.VOUCHER_USED: Reply(409, "充值卡已使用", "The voucher was used before"),
    _C.VOUCHER_BARRED: Reply(403, "充值卡充值已被停用", "The number is barred from voucher top-ups"),
    _C.CARD_REFUSED: Reply(403, "银行卡未通过验证", "The bank card was refused"),
    _C.IDENTITY_REQUIRED: Reply(
        403, "须填写登记证件号码后六位", "The end of the document's number is required as well"
    ),
    _C.IDENTITY_MISMATCH: Reply(409, "证件与已登记的姓名或账户不符", "The document does not match"),
    _C.NOT_GROUP_MEMBER: Reply(403, "不是集团账户成员", "The account is no member of a corporate account"),
    _C.GROUP_NOT_AVAILABLE: Reply(409, "集团账户暂不能支付", "The corporate account cannot pay now"),
    _C.PAYEE_EXISTS: Reply(409, "该收款人已建立定向转账关系", "There is a directed relation to this payee already"),
    _C.TOO_MANY_PAYEES: Reply(409, "定向转账关系数量已达上限", "There are as many directed relations as may be"),
    _C.PAYEE_REQUIRED: Reply(403, "须先建立定向转账关系", "A directed relation to the payee must be set up first"),
    _C.PAYEE_COOLING: Reply(409, "定向转账关系尚在冷静期", "The directed relation's cooling period is not over"),
    _C.SIM_COOLING: Reply(
        409,
        "SIM卡或号码更换不久，暂不能凭短信验证办理，请稍后再试或到营业厅办理",
        "The SIM card or the number was changed too lately for the phone to prove this",
    ),
    _C.PASSWORD_NOT_SET: Reply(409, "尚未设置支付密码", "No payment password is set"),
    _C.WEAK_PASSWORD: Reply(422, "密码过于简单", "The password is too weak"),
    _C.PASSWORD_REUSED: Reply(422, "该支付密码近期用过", "The payment password was used lately"),
    _C.WRONG_PASSWORD: Reply(403, "支付密码错误", "The payment password is wrong"),
    _C.PASSWORD_LOCKED: Reply(403, "支付密码已锁定", "The payment password is locked"),
    _C.CHALLENGE_REQUIRED: Reply(403, "需要短信验证码", "An SMS code is required as well"),
    _C.WRONG_CODE: Reply(403, "验证码错误", "The code is wrong"),
    _C.CODE_EXPIRED: Reply(403, "验证码或链接已失效", "The code or link no longer holds"),
    _C.TERMS_NOT_ACCEPTED: Reply(422, "尚未接受服务条款", "The terms in force were not accepted"),
    _C.BLACKLISTED: Reply(403, "暂不能办理，请联系客服", "This cannot be done; please ask customer service"),
    _C.SINGLE_LIMIT_EXCEEDED: Reply(403, "超过单笔限额", "The limit of one transaction is exceeded"),
    _C.DAILY_LIMIT_EXCEEDED: Reply(403, "超过日限额", "The limit of a day is exceeded"),
    _C.COUNT_LIMIT_EXCEEDED: Reply(403, "超过当日次数上限", "The number of transactions in a day is exceeded"),
    _C.MONTHLY_LIMIT_EXCEEDED: Reply(403, "超过月限额", "The limit of a month is exceeded"),
    _C.YEARLY_LIMIT_EXCEEDED: Reply(403, "超过年累计限额", "The limit of a year is exceeded"),
    _C.LIFETIME_LIMIT_EXCEEDED: Reply(403, "超过开户以来累计限额", "The limit since opening is exceeded"),
    _C.BALANCE_LIMIT_EXCEEDED: Reply(403, "超过余额上限", "The highest balance would be exceeded"),
    _C.CHANNEL_LIMIT_EXCEEDED: Reply(403, "超过本渠道限额", "The limit of this channel is exceeded"),
    _C.MERCHANT_LIMIT_EXCEEDED: Reply(403, "超过商户收款限额", "The merchant's limit of payments is exceeded"),
    _C.GROUP_QUOTA_EXCEEDED: Reply(403, "超过集团成员额度", "The quota of the corporate account is exceeded"),
    _C.RISK_REFUSED: Reply(403, "交易存在风险，暂不能办理", "This is refused for now, for safety"),
    _C.OUT_OF_STOCK: Reply(409, "库存不足", "The product is out of stock"),
    _C.PRICE_CHANGED: Reply(409, "价格或手续费已变动", "The price or the fee has changed"),
    _C.INSUFFICIENT_FUNDS: Reply(402, "余额不足", "The balance is insufficient"),
    _C.FUNDING_DECLINED: Reply(402, "话费账户或银行拒绝扣款", "The phone bill or the bank declined"),
    _C.SAME_PERSON: Reply(403, "须由另一人复核", "A second person must approve"),
    _C.BUSY: Reply(503, "系统繁忙，请用同一 Idempotency-Key 重试", "Busy: ask again with the same Idempotency-Key"),
    _C.INTERNAL: Reply(500, "系统内部错误", "Internal error"),
}


class FieldProblem(NamedTuple):
    """A field at fault: its name as the caller wrote it ("/" between levels), and what it must be."""

    field: str
    problem: str


def status_of(code: ErrorCode) -> int:
    return REPLIES[code].status


def title_of(code: ErrorCode, language: str) -> str:
    reply = REPLIES[code]
    return reply.en if language == "en" else reply.zh


def problem_document(
    code: ErrorCode,
    *,
    language: str,
    request_id: str,
    detail: str = "",
    errors: Iterable[FieldProblem] = (),
    transaction: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The document: `transaction` is the declined transaction as its caller sees it."""
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + code.value,
        "title": title_of(code, language),
        "status": REPLIES[code].status,
        "code": code.value,
        "instance": f"urn:mpss:request:{request_id}",
        "request_id": request_id,
    }
    if detail:
        document["detail"] = detail
    fields = [{"field": item.field, "problem": item.problem} for item in errors]
    if fields:
        document["errors"] = fields
    if transaction is not None:
        document["transaction"] = transaction
    return document


def encode(document: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8; what cannot be encoded (a lone surrogate in a field's name) becomes "?"."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
