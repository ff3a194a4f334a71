"""What we answer by SMS: a text for every refusal, for every mistake in a message, for what was asked."""

from __future__ import annotations

from mpss.accounts.cards import BoundCard
from mpss.channels.sms.arguments import MAX_LINES, Mistake
from mpss.channels.sms.texts import Text, text
from mpss.kernel.errors import ErrorCode

_NOT_BY_SMS = text("该操作无法通过短信办理。", "This cannot be done by SMS.")

REFUSALS: dict[ErrorCode, Text] = {
    ErrorCode.MALFORMED_REQUEST: text(
        "指令格式有误，回复BZ查看帮助。", "The command is not well formed. Reply BZ for help."
    ),
    ErrorCode.UNSUPPORTED_CURRENCY: text("仅支持人民币。", "Only yuan can be paid."),
    ErrorCode.AMOUNT_OUT_OF_RANGE: text("金额超出允许范围。", "The amount is out of range."),
    ErrorCode.PAYLOAD_TOO_LARGE: text("短信过长，回复BZ查看帮助。", "The message is too long. Reply BZ for help."),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: _NOT_BY_SMS,
    ErrorCode.METHOD_NOT_ALLOWED: _NOT_BY_SMS,
    ErrorCode.IDEMPOTENCY_KEY_REQUIRED: _NOT_BY_SMS,
    ErrorCode.UNAUTHENTICATED: text("未能确认您的身份，请重试。", "We could not tell who you are. Try again."),
    ErrorCode.SIGNATURE_INVALID: _NOT_BY_SMS,
    ErrorCode.SIGNATURE_REPLAYED: _NOT_BY_SMS,
    ErrorCode.FORBIDDEN: text("您无权办理该业务。", "You may not do this."),
    ErrorCode.RATE_LIMITED: text("操作过于频繁，请稍后再试。", "Too many requests. Try again later."),
    ErrorCode.KEY_REUSED: text("该短信已处理过。", "This message was carried out before."),
    ErrorCode.ALREADY_TOMBSTONED: text("该订单已被商户撤回。", "The merchant took this order back."),
    ErrorCode.DUPLICATE_ORDER: text("该订单已支付过。", "This order was paid before."),
    ErrorCode.NOT_FOUND: text("未找到相关信息。", "Nothing was found."),
    ErrorCode.UNKNOWN_ACCOUNT: text(
        "本号码尚未开通手机支付，发送KT开通。", "This number has no wallet. Send KT to open one."
    ),
    ErrorCode.UNKNOWN_MERCHANT: text("商户编号不存在，请核对。", "There is no merchant with this number."),
    ErrorCode.UNKNOWN_PRODUCT: text("商品编号不存在，请核对。", "There is no product with this number."),
    ErrorCode.UNKNOWN_TRANSACTION: text("没有等待确认的交易，或确认码有误。", "Nothing waits for this code."),
    ErrorCode.UNKNOWN_VOUCHER: text(
        "充值卡密码有误，请核对。多次输错将停用充值卡充值。",
        "The card password is wrong. Too many wrong ones bar top-up by card.",
    ),
    ErrorCode.UNKNOWN_PAYEE: text("未找到该定向转账关系。", "There is no such directed relation."),
    ErrorCode.UNKNOWN_CARD: text(
        "没有这张银行卡，或绑定了多张，请注明卡号末四位，例如：TX 200 0015。",
        "There is no such bank card, or there are several: give its last four digits, as in: TX 200 0015",
    ),
    ErrorCode.OUT_OF_SCOPE: text("该商品在您所在地区暂不提供。", "This product is not sold where you are."),
    ErrorCode.SELF_TRANSFER: text("不能转账给本号码。", "You cannot transfer to your own number."),
    ErrorCode.ACCOUNT_EXISTS: text("本号码已开通手机支付。", "This number has a wallet already."),
    ErrorCode.ACCOUNT_CLOSED: text("您的账户已销户。", "Your wallet is closed."),
    ErrorCode.ACCOUNT_CLOSING: text("您的账户正在销户。", "Your wallet is being closed."),
    ErrorCode.FROZEN_BY_LAW: text(
        "您的账户已被依法冻结，请联系客服。", "Your wallet is frozen by law. Contact customer care."
    ),
    ErrorCode.LOSS_WRITTEN: text(
        "您的账户已书面挂失，请持证件到营业厅办理解挂。",
        "Loss was reported in writing. Lift it at a service hall with your document.",
    ),
    ErrorCode.LOSS_ORAL: text(
        "您的账户已口头挂失，解挂请发送JG。", "Loss of this wallet was reported. Send JG to lift the report."
    ),
    ErrorCode.FROZEN_FOR_RISK: text(
        "您的账户因风险控制被冻结，请联系客服。", "Your wallet is frozen for a risk. Contact customer care."
    ),
    ErrorCode.FROZEN_BY_USER: text("您的账户已冻结，解冻请发送JD。", "You froze your wallet. Send JD to release it."),
    ErrorCode.NUMBER_NOT_IN_SERVICE: text(
        "该号码未在网或未实名登记，请到营业厅办理。", "The number is not in service or registered to nobody."
    ),
    ErrorCode.NUMBER_REASSIGNED: text(
        "号码已易主，原账户不再属于该号码；您可重新开户。", "The number is another owner's now; open a new account."
    ),
    ErrorCode.NUMBER_STOPPED: text("您的号码已停机，复机后可用。", "Your number is stopped; resume it first."),
    ErrorCode.DOCUMENT_EXPIRED: text(
        "您登记的证件已过期，请通过网页或到营业厅更新。",
        "Your identity document has expired. Renew it on the web or at a service hall.",
    ),
    ErrorCode.ACCOUNT_DORMANT: text(
        "您的账户长期未使用已沉默，恢复使用请发送HX。", "Your wallet fell dormant. Send HX to wake it."
    ),
    ErrorCode.CLOSING_BLOCKED: text(
        "账户尚不满足销户条件，请联系客服。", "Something stands in the way of closing your wallet."
    ),
    ErrorCode.ACCOUNT_NOT_ACTIVE: text(
        "您的账户尚未激活，请先设置支付密码；发送KT可重新获取设置链接。",
        "Your wallet is not active yet: set its payment password. Send KT for a new link.",
    ),
    ErrorCode.MERCHANT_NOT_ACTIVE: text("该商户暂停收款。", "This merchant does not take payments now."),
    ErrorCode.MERCHANT_CLOSING: text(
        "该商户正在销户，已停止收款。", "This merchant is closing and takes no more payments."
    ),
    ErrorCode.PRODUCT_NOT_ON_SALE: text("该商品未在销售。", "This product is not on sale."),
    ErrorCode.PRODUCT_CHANGED: _NOT_BY_SMS,
    ErrorCode.ILLEGAL_STATE: text("当前状态不能办理该操作。", "This cannot be done in the present state."),
    ErrorCode.CONFIRMATION_EXPIRED: text(
        "确认已超时，本次未扣款，请重新购买。", "Too late to confirm; nothing was paid. Buy again."
    ),
    ErrorCode.VOUCHER_NOT_ACTIVE: text("该充值卡未激活或已过期。", "This card is not active, or has expired."),
    ErrorCode.VOUCHER_USED: text("该充值卡已使用。", "This card was used before."),
    ErrorCode.VOUCHER_BARRED: text(
        "本号码的充值卡充值已停用，请联系客服。", "Top-up by card is barred. Contact customer care."
    ),
    ErrorCode.IDENTITY_REQUIRED: text("请通过网页或到营业厅办理。", "Do this on the web or at a service hall."),
    ErrorCode.IDENTITY_MISMATCH: text("证件与已登记的姓名或账户不符。", "The document does not match."),
    ErrorCode.CARD_REFUSED: text("银行卡未通过验证。", "The bank card was refused."),
    ErrorCode.PAYEE_EXISTS: text("该收款人已建立定向转账关系。", "This payee is on your list already."),
    ErrorCode.TOO_MANY_PAYEES: text("定向转账关系数量已达上限。", "Your list of payees is full."),
    ErrorCode.PAYEE_REQUIRED: text(
        "请先通过网页或客户端建立与该号码的定向转账关系。",
        "Put this number on your list of payees first, on the web or in the app.",
    ),
    ErrorCode.PAYEE_COOLING: text(
        "与该号码的定向转账关系尚在冷静期，请稍后再试。", "This payee is too new on your list. Try again later."
    ),
    ErrorCode.SIM_COOLING: text(
        "您更换SIM卡或号码不久，暂不能凭短信办理，请稍后再试或持证件到营业厅办理。",
        "Your SIM card or number is too new for this. Try again later, or bring your ID to a service hall.",
    ),
    ErrorCode.PASSWORD_NOT_SET: text(
        "请先设置支付密码，发送MM获取设置链接。", "Set the payment password first. Send MM for a link."
    ),
    ErrorCode.PASSWORD_REUSED: text("该支付密码近期用过，请换一个。", "That payment password was used lately."),
    ErrorCode.WEAK_PASSWORD: text("支付密码过于简单。", "The payment password is too simple."),
    ErrorCode.WRONG_PASSWORD: text(
        "支付密码有误。切勿通过短信发送支付密码。", "Wrong payment password. Never send it by SMS."
    ),
    ErrorCode.PASSWORD_LOCKED: text(
        "您的账户已锁定支付，请用短信验证码解锁，或发送MM重设支付密码。",
        "Paying is locked. Unlock it with an SMS code, or send MM to set a new password.",
    ),
    ErrorCode.CHALLENGE_REQUIRED: text("请通过网页或客户端完成支付。", "Pay on the web or in the app instead."),
    ErrorCode.WRONG_CODE: text("验证码有误。", "The code is wrong."),
    ErrorCode.CODE_EXPIRED: text("验证码已失效，请重新获取。", "The code has expired. Ask for a new one."),
    ErrorCode.TERMS_NOT_ACCEPTED: text("请先同意服务协议。", "Accept the terms first."),
    ErrorCode.BLACKLISTED: text("暂不能办理，请联系客服。", "This cannot be done. Please ask customer service."),
    ErrorCode.SINGLE_LIMIT_EXCEEDED: text("金额超过单笔限额。", "The amount is above the limit for one payment."),
    ErrorCode.DAILY_LIMIT_EXCEEDED: text("金额超过您的日限额。", "This is above your limit of a day."),
    ErrorCode.COUNT_LIMIT_EXCEEDED: text("已达当日次数上限。", "You have reached the number of times for today."),
    ErrorCode.YEARLY_LIMIT_EXCEEDED: text("已超过年累计限额。", "This is above your limit for the year."),
    ErrorCode.LIFETIME_LIMIT_EXCEEDED: text(
        "已超过开户以来累计限额，请办理实名升级。",
        "This is above your limit since opening. Register your real name to raise it.",
    ),
    ErrorCode.MONTHLY_LIMIT_EXCEEDED: text("金额超过您的月限额。", "This is above your limit of a month."),
    ErrorCode.BALANCE_LIMIT_EXCEEDED: text("充值后余额将超过账户上限。", "The balance would be above its limit."),
    ErrorCode.NOT_GROUP_MEMBER: text("您不是集团账户成员。", "You are no member of a corporate account."),
    ErrorCode.GROUP_NOT_AVAILABLE: text("集团账户暂不能支付。", "The corporate account cannot pay now."),
    ErrorCode.CHANNEL_LIMIT_EXCEEDED: text(
        "超过短信渠道限额，发送XE可查询，或改用网页、客户端。",
        "This is above what goes by SMS. Send XE to see what is left, or use the web or the app.",
    ),
    ErrorCode.MERCHANT_LIMIT_EXCEEDED: text("超过商户收款限额。", "This is above what the merchant may be paid."),
    ErrorCode.GROUP_QUOTA_EXCEEDED: text("超过您的集团成员额度。", "This is above your quota of the company."),
    ErrorCode.RISK_REFUSED: text("交易存在风险，暂不能办理。", "This is refused for now, for safety."),
    ErrorCode.OUT_OF_STOCK: text("该商品库存不足。", "There is not enough of this product."),
    ErrorCode.PRICE_CHANGED: text(
        "价格已变动，本次未扣款，请重新购买。", "The price has changed; nothing was paid. Buy again."
    ),
    ErrorCode.INSUFFICIENT_FUNDS: text("余额不足，请先充值。", "Your balance is too low. Top up first."),
    ErrorCode.FUNDING_DECLINED: text("话费账户或银行拒绝扣款。", "The phone bill or the bank declined."),
    ErrorCode.SAME_PERSON: _NOT_BY_SMS,
    ErrorCode.BUSY: text("系统繁忙，请稍后再试。", "The system is busy. Try again later."),
    ErrorCode.INTERNAL: text("系统故障，请稍后再试。", "Something went wrong. Try again later."),
}

MISTAKES: dict[Mistake, Text] = {
    Mistake.KEYWORD: text("无法识别的指令，回复BZ查看帮助。", "Unknown command. Reply BZ for help."),
    Mistake.LANGUAGE: text("语言请填ZH或EN，例如：KT EN。", "The language is ZH or EN, as in: KT EN"),
    Mistake.CARD_PASSWORD: text(
        "充值卡密码应为16位数字，例如：CZ 1234567890123456。",
        "A card password has 16 digits, as in: CZ 1234567890123456",
    ),
    Mistake.PRODUCT_OR_MERCHANT: text(
        "请填写商品或商户编号，例如：ZF 100001。", "Give the number of a product or merchant, as in: ZF 100001"
    ),
    Mistake.QUANTITY: text(
        "数量应为1至1000的整数，例如：ZF 100001 2。", "The quantity is from 1 to 1000, as in: ZF 100001 2"
    ),
    Mistake.PAYEE: text(
        "请填写收款人的手机号码，例如：ZZ 18912340002 25.00。",
        "Give the payee's mobile number, as in: ZZ 18912340002 25.00",
    ),
    Mistake.AMOUNT: text("请填写金额（元），例如：ZF 8001 25.00。", "Give the amount in yuan, as in: ZF 8001 25.00"),
    Mistake.CARD_DIGITS: text(
        "请填写银行卡末4位，例如：CZ YHK 100 1234，或TX 100 1234。",
        "Give the last four digits of the card, as in: CZ YHK 100 1234, or TX 100 1234",
    ),
    Mistake.CONFIRM_CODE: text("请填写4位确认码，例如：Y 1234。", "Give the four digits of the code, as in: Y 1234"),
    Mistake.FREEZE_DAYS: text(
        "冻结天数应为整数，例如：DJ 7；只发DJ则冻结至您解冻为止。",
        "Give a number of days, as in: DJ 7. DJ alone freezes until you release it.",
    ),
    Mistake.LIMIT: text(
        "日消费限额请填一个金额（元），例如：XE 500。", "Give the daily limit as one amount in yuan, as in: XE 500"
    ),
    Mistake.LINES: text(
        f"明细条数应为1至{MAX_LINES}，例如：MX {MAX_LINES}。", f"Ask for 1 to {MAX_LINES} lines, as in: MX {MAX_LINES}"
    ),
    Mistake.NEW_LANGUAGE: text("语言请填ZH或EN，例如：YY EN。", "The language is ZH or EN, as in: YY EN"),
    Mistake.SWITCH: text(
        "请填开或关，可注明入账、退款或设置，例如：TZ 关 入账。",
        "Say ON or OFF, and IN, BACK or SETTINGS if not all, as in: TZ OFF IN",
    ),
    Mistake.QUIET_HOURS: text(
        "请填免打扰的起止时间，例如：MD 22:00 7:30；取消请发MD 关。",
        "Give the quiet hours, as in: MD 22:00 7:30, or end them by: MD OFF",
    ),
    Mistake.EXTRA: text(
        "指令后有多余内容，回复BZ查看帮助。", "There is too much after the command. Reply BZ for help."
    ),
}

HELP = text(
    "KT开通；YE余额；MM设置支付密码；CZ 卡密 充值；CZ YHK 金额 银行卡充值；ZF 商品编号 数量 购买；"
    "ZF 商户编号 金额 付款；ZZ 手机号码 金额 转账；TX 金额 提现；Y 确认码 确认，后加HF用话费支付，加YHK用银行卡支付；"
    "N 确认码 取消；账户管理指令请回复BZ 2。切勿通过短信发送支付密码。",
    "KT open; YE balance; MM set the password; CZ card-password top up; CZ YHK yuan top up from the bank card; "
    "ZF product quantity buy; ZF merchant yuan pay; ZZ number yuan transfer; TX yuan withdraw; Y code confirm, "
    "HF behind it pays by phone bill, YHK by bank card; N code cancel. BZ 2: more, for your account. "
    "Never send your payment password by SMS.",
)
ACCOUNT_HELP = text(
    "ZT账户状态；MX 条数 明细；XE限额，XE 金额 设日限额；GS挂失，JG解挂；DJ 天数 冻结，JD解冻；SJ实名升级；"
    "YHK银行卡；JB 末4位 解绑；TZ通知，TZ 关 入账；MD 22:00 7:30 免打扰；YY EN 换语言；MM重设支付密码；"
    "HX唤醒；XH销户。",
    "ZT state; MX lines statement; XE limits, XE yuan set the daily limit; GS report loss, JG lift it; DJ days freeze, "
    "JD release; SJ real-name level; YHK cards; JB digits unbind; TZ notices, TZ OFF IN; MD 22:00 7:30 quiet hours; "
    "YY ZH language; MM new password; HX wake; XH close.",
)
CANCELLED = text("已取消，未扣款。", "Cancelled; nothing was paid.")
ALREADY_PAID = text("该笔交易已支付，无法取消。", "This is paid and cannot be cancelled.")
REVERSED = text("该笔交易已冲正，款项已退回。", "This was reversed; the money is back.")

_NO_CARDS = text("未绑定银行卡。", "No bank card is bound.")
_CARDS = text(
    "已绑定银行卡：{cards}。解绑请回复“JB 末4位”。",
    'Bound bank cards: {cards}. To unbind, reply "JB" and the last four digits.',
)


def cards_reply(cards: list[BoundCard], language: str) -> str:
    """The bound cards, by bank and last digits."""
    if not cards:
        return _NO_CARDS[language]
    return _CARDS[language].format(cards=", ".join(f"{card.bank_name} {card.masked[-4:]}" for card in cards))
