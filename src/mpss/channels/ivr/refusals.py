"""What is said of every refusal."""

from __future__ import annotations

from mpss.channels.ivr.texts import Text, text
from mpss.kernel.errors import ErrorCode

_NOT_BY_VOICE = text("该业务无法通过语音办理。", "This cannot be done by voice.")
_MISTYPED = text("输入有误，请核对后重新输入。", "That was mistyped. Please try again.")

REFUSALS: dict[ErrorCode, Text] = {
    ErrorCode.MALFORMED_REQUEST: _MISTYPED,
    ErrorCode.UNSUPPORTED_CURRENCY: _NOT_BY_VOICE,
    ErrorCode.AMOUNT_OUT_OF_RANGE: text("金额超出允许范围，请重新输入。", "The amount is out of range. Try again."),
    ErrorCode.PAYLOAD_TOO_LARGE: _MISTYPED,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: _NOT_BY_VOICE,
    ErrorCode.METHOD_NOT_ALLOWED: _NOT_BY_VOICE,
    ErrorCode.IDEMPOTENCY_KEY_REQUIRED: _NOT_BY_VOICE,
    ErrorCode.UNAUTHENTICATED: text("未能确认您的身份。", "We could not tell who you are."),
    ErrorCode.SIGNATURE_INVALID: _NOT_BY_VOICE,
    ErrorCode.SIGNATURE_REPLAYED: _NOT_BY_VOICE,
    ErrorCode.FORBIDDEN: text("您无权办理该业务。", "You may not do this."),
    ErrorCode.RATE_LIMITED: text("操作过于频繁，请稍后再试。", "Too many requests. Try again later."),
    ErrorCode.KEY_REUSED: text("该请求已处理过。", "This was carried out before."),
    ErrorCode.ALREADY_TOMBSTONED: _NOT_BY_VOICE,
    ErrorCode.DUPLICATE_ORDER: _NOT_BY_VOICE,
    ErrorCode.NOT_FOUND: text("未找到相关信息。", "Nothing was found."),
    ErrorCode.UNKNOWN_ACCOUNT: text(
        "本号码尚未开通手机支付，开通请按7。", "This number has no wallet. Press 7 to open one."
    ),
    ErrorCode.UNKNOWN_MERCHANT: _NOT_BY_VOICE,
    ErrorCode.UNKNOWN_PRODUCT: _NOT_BY_VOICE,
    ErrorCode.UNKNOWN_TRANSACTION: text("没有该笔交易。", "There is no such transaction."),
    ErrorCode.UNKNOWN_VOUCHER: text(
        "充值卡密码有误，请重新输入。多次输错将停用充值卡充值。",
        "The digits of the card are wrong. Try again. Too many wrong ones bar top-up by card.",
    ),
    ErrorCode.UNKNOWN_CARD: text("没有这张银行卡。", "There is no such bank card."),
    ErrorCode.UNKNOWN_PAYEE: _NOT_BY_VOICE,
    ErrorCode.OUT_OF_SCOPE: _NOT_BY_VOICE,
    ErrorCode.SELF_TRANSFER: _NOT_BY_VOICE,
    ErrorCode.ACCOUNT_EXISTS: text("本号码已开通手机支付。", "This number has a wallet already."),
    ErrorCode.ACCOUNT_CLOSED: text("您的账户已销户。", "Your wallet is closed."),
    ErrorCode.ACCOUNT_CLOSING: text("您的账户正在销户。", "Your wallet is being closed."),
    ErrorCode.FROZEN_BY_LAW: text(
        "您的账户已被依法冻结，请联系人工客服。", "Your wallet is frozen by law. Ask an agent."
    ),
    ErrorCode.LOSS_WRITTEN: text(
        "您的账户已书面挂失，请持证件到营业厅办理。",
        "Loss was reported in writing. Bring your document to a service hall.",
    ),
    ErrorCode.LOSS_ORAL: text(
        "您的账户已口头挂失，解挂请按4再按3。", "Loss of this wallet was reported. To lift the report press 4, then 3."
    ),
    ErrorCode.FROZEN_FOR_RISK: text(
        "您的账户因风险控制被冻结，请联系人工客服。", "Your wallet is frozen for a risk. Ask an agent."
    ),
    ErrorCode.FROZEN_BY_USER: text(
        "您的账户已冻结，解冻请按3再按2。", "You froze your wallet. To unfreeze it press 3, then 2."
    ),
    ErrorCode.NUMBER_STOPPED: text("您的号码已停机，复机后可用。", "Your number is stopped; resume it first."),
    ErrorCode.NUMBER_NOT_IN_SERVICE: text(
        "该号码未在网或未实名登记，请到营业厅办理。", "The number is not in service or registered to nobody."
    ),
    ErrorCode.NUMBER_REASSIGNED: text(
        "号码已易主，原账户不再属于该号码，您可重新开通。", "The number is another owner's now; open a new wallet."
    ),
    ErrorCode.ACCOUNT_NOT_ACTIVE: text(
        "您的账户尚未激活，请先用短信中的链接设置支付密码；按7可重新获取。",
        "Your wallet is not active yet: set its payment password by the link in the SMS. Press 7 for a new one.",
    ),
    ErrorCode.DOCUMENT_EXPIRED: text(
        "您登记的证件已过期，请通过网页或到营业厅更新。",
        "Your identity document has expired. Renew it on the web or at a service hall.",
    ),
    ErrorCode.ACCOUNT_DORMANT: text(
        "您的账户长期未使用已沉默，请通过网页或短信唤醒。", "Your wallet fell dormant. Wake it on the web or by SMS."
    ),
    ErrorCode.CLOSING_BLOCKED: text("账户尚不满足销户条件。", "Something stands in the way of closing your wallet."),
    ErrorCode.MERCHANT_NOT_ACTIVE: _NOT_BY_VOICE,
    ErrorCode.MERCHANT_CLOSING: _NOT_BY_VOICE,
    ErrorCode.PRODUCT_NOT_ON_SALE: _NOT_BY_VOICE,
    ErrorCode.PRODUCT_CHANGED: _NOT_BY_VOICE,
    ErrorCode.ILLEGAL_STATE: text("当前状态不能办理该业务。", "This cannot be done in the present state."),
    ErrorCode.CONFIRMATION_EXPIRED: _NOT_BY_VOICE,
    ErrorCode.VOUCHER_NOT_ACTIVE: text("该充值卡未激活或已过期。", "This card is not active, or has expired."),
    ErrorCode.VOUCHER_USED: text("该充值卡已使用。", "This card was used before."),
    ErrorCode.VOUCHER_BARRED: text(
        "本号码的充值卡充值已停用，请联系人工客服。", "Top-up by card is barred for this number. Ask an agent."
    ),
    ErrorCode.CARD_REFUSED: text("银行卡未通过验证。", "The bank card was refused."),
    ErrorCode.IDENTITY_REQUIRED: text("请通过网页或到营业厅办理。", "Do this on the web or at a service hall."),
    ErrorCode.IDENTITY_MISMATCH: text(
        "号码与您输入的证件号码或密码不符，请核对后重新输入，或联系人工客服。",
        "The number and what you entered do not match. Try again, or ask an agent.",
    ),
    ErrorCode.NOT_GROUP_MEMBER: _NOT_BY_VOICE,
    ErrorCode.GROUP_NOT_AVAILABLE: _NOT_BY_VOICE,
    ErrorCode.PAYEE_EXISTS: _NOT_BY_VOICE,
    ErrorCode.TOO_MANY_PAYEES: _NOT_BY_VOICE,
    ErrorCode.PAYEE_REQUIRED: _NOT_BY_VOICE,
    ErrorCode.PAYEE_COOLING: _NOT_BY_VOICE,
    ErrorCode.PASSWORD_NOT_SET: text(
        "您还未设置支付密码，请先用短信中的链接设置；按7可重新获取。",
        "You have no payment password yet: set it by the link in the SMS. Press 7 for a new one.",
    ),
    ErrorCode.WEAK_PASSWORD: text("新密码过于简单，请换一个。", "The new password is too simple. Choose another."),
    ErrorCode.PASSWORD_REUSED: text("新密码近期用过，请换一个。", "That password was used lately. Choose another."),
    ErrorCode.WRONG_PASSWORD: text("支付密码有误，请重新输入。", "The payment password is wrong. Try again."),
    ErrorCode.PASSWORD_LOCKED: text(
        "支付密码输错次数过多，已锁定，请通过网页或短信解锁或重设。",
        "The payment password was wrong too often and is locked. Unlock or reset it on the web or by SMS.",
    ),
    ErrorCode.CHALLENGE_REQUIRED: text(
        "为保障安全，请通过网页用短信验证码办理。", "For your safety, do this on the web with an SMS code."
    ),
    ErrorCode.WRONG_CODE: text("验证码有误。", "The code is wrong."),
    ErrorCode.CODE_EXPIRED: text("验证码已失效。", "The code has expired."),
    ErrorCode.SIM_COOLING: text(
        "您更换SIM卡或号码不久，暂不能办理，请稍后再试或持证件到营业厅办理。",
        "Your SIM card or number is too new for this. Try again later, or bring your document to a service hall.",
    ),
    ErrorCode.TERMS_NOT_ACCEPTED: text("请先同意服务协议。", "Accept the terms first."),
    ErrorCode.BLACKLISTED: text("暂不能办理，请联系人工客服。", "This cannot be done now. Please ask an agent."),
    ErrorCode.SINGLE_LIMIT_EXCEEDED: text("金额超过单笔限额。", "The amount is above the limit for one transaction."),
    ErrorCode.DAILY_LIMIT_EXCEEDED: text("金额超过日限额。", "This is above your limit of a day."),
    ErrorCode.COUNT_LIMIT_EXCEEDED: text("已达当日次数上限。", "You have reached the number of times for today."),
    ErrorCode.MONTHLY_LIMIT_EXCEEDED: text("金额超过月限额。", "This is above your limit of a month."),
    ErrorCode.YEARLY_LIMIT_EXCEEDED: text("已超过年累计限额。", "This is above your limit for the year."),
    ErrorCode.LIFETIME_LIMIT_EXCEEDED: text(
        "已超过开户以来累计限额，请办理实名升级。",
        "This is above your limit since opening. Register your real name to raise it.",
    ),
    ErrorCode.BALANCE_LIMIT_EXCEEDED: text("充值后余额将超过账户上限。", "The balance would be above its limit."),
    ErrorCode.CHANNEL_LIMIT_EXCEEDED: text(
        "超过语音渠道限额，请通过网页办理。", "This is above what goes by voice. Use the web."
    ),
    ErrorCode.MERCHANT_LIMIT_EXCEEDED: _NOT_BY_VOICE,
    ErrorCode.GROUP_QUOTA_EXCEEDED: _NOT_BY_VOICE,
    ErrorCode.RISK_REFUSED: text("交易存在风险，暂不能办理。", "This is refused for now, for safety."),
    ErrorCode.OUT_OF_STOCK: _NOT_BY_VOICE,
    ErrorCode.PRICE_CHANGED: _NOT_BY_VOICE,
    ErrorCode.INSUFFICIENT_FUNDS: text("余额不足。", "Your balance is too low."),
    ErrorCode.FUNDING_DECLINED: text("对方系统拒绝了该业务。", "The other side declined."),
    ErrorCode.SAME_PERSON: _NOT_BY_VOICE,
    ErrorCode.BUSY: text("系统繁忙，请稍后再试。", "The system is busy. Try again later."),
    ErrorCode.INTERNAL: text("系统故障，请稍后再试。", "Something went wrong. Try again later."),
}

MISTYPED = frozenset(
    {
        ErrorCode.MALFORMED_REQUEST,
        ErrorCode.AMOUNT_OUT_OF_RANGE,
        ErrorCode.UNKNOWN_VOUCHER,
        ErrorCode.IDENTITY_MISMATCH,
        ErrorCode.WRONG_PASSWORD,
        ErrorCode.WEAK_PASSWORD,
        ErrorCode.PASSWORD_REUSED,
    }
)
"""What is asked for again, and counts as a wrong try of the call."""
