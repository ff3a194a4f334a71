"""What is told of the account, and of what was done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from mpss.accounts.queries import AccountOverview
from mpss.accounts.state import EffectiveState
from mpss.channels.ivr.texts import text
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.money import Money
from mpss.transactions.closings.choices import Choice
from mpss.transactions.closings.model import Payout, Standing
from mpss.transactions.statements.model import Line
from mpss.transactions.statements.words import KINDS

STATES = {
    EffectiveState.ACTIVE: text("正常", "active"),
    EffectiveState.PENDING: text("待设置支付密码", "waiting for its payment password"),
    EffectiveState.PASSWORD_LOCKED: text("支付已锁定", "locked for paying"),
    EffectiveState.CLOSED: text("已销户", "closed"),
    EffectiveState.PRE_CLOSED: text("销户中", "being closed"),
    EffectiveState.FROZEN_BY_LAW: text("依法冻结", "frozen by law"),
    EffectiveState.LOSS_WRITTEN: text("书面挂失", "reported as lost, in writing"),
    EffectiveState.LOSS_ORAL: text("口头挂失", "reported as lost"),
    EffectiveState.FROZEN_FOR_RISK: text("风控冻结", "frozen for a risk"),
    EffectiveState.FROZEN_BY_USER: text("本人冻结", "frozen by you"),
    EffectiveState.STOPPED: text("已停机", "stopped with its number"),
    EffectiveState.DOCUMENT_EXPIRED: text("证件已过期", "waiting for a new document"),
    EffectiveState.DORMANT: text("已沉默", "dormant"),
}
_BALANCE = text(
    "您的可用余额为{available}元，账户状态{state}。", "Your balance is {available} yuan. The wallet is {state}."
)
_NO_LINES = text("近期没有账务变动。", "There are no movements yet.")
_LINES = text("近期明细：{lines}。", "Recent movements: {lines}.")
_LINE = text("{month}月{day}日{kind}{way}{amount}元", "{kind} on {month}/{day}, {amount} yuan {way}")
_IN = text("入账", "in")
_OUT = text("支出", "out")
_LIMIT = text(
    "您的日消费限额为{limit}元，今日已用{spent}元，还可使用{left}元。",
    "Your daily limit is {limit} yuan. {spent} yuan are used today, {left} are left.",
)
_LIMIT_SET = text("日消费限额已设为{limit}元。", "Your daily limit is {limit} yuan now.")
_FROZEN = text("账户已冻结，解冻前不能交易。", "Your wallet is frozen until you unfreeze it.")
_FROZEN_UNTIL = text(
    "账户已冻结，{month}月{day}日零点自动解冻。",
    "Your wallet is frozen until midnight of {month}/{day}, when that ends by itself.",
)
_LOST = text(
    "口头挂失成功，账户已停止支付。有效期至{month}月{day}日，请尽快持证件到营业厅办理书面挂失。",
    "The loss is reported and nothing is paid any more. The report holds until {month}/{day}: bring your document to a "
    "service hall before.",
)
FREEZE_TOO_LONG = text("冻结天数最多为{days}天，请重新输入。", "A freeze lasts {days} days at most. Try again.")
UNFROZEN = text("账户已解冻。", "Your wallet is unfrozen.")
LOSS_LIFTED = text("口头挂失已解除。", "The report of loss is lifted.")
LOST_ALREADY = text("该账户此前已挂失。", "Loss of this wallet is reported already.")
NOT_FROZEN = text("您没有冻结账户，无需解冻。", "You have not frozen your wallet.")
NOT_LOST = text("您的账户没有挂失，无需解挂。", "No loss of this wallet is reported.")
PASSWORD_CHANGED = text("支付密码修改成功。", "Your payment password is changed.")
PASSWORDS_DIFFER = text("两次输入的新密码不一致，请重新输入。", "The two new passwords are not the same. Try again.")
_TOPPED_UP = text("充值成功，金额{amount}元。", "{amount} yuan are topped up.")
TOPUP_PENDING = text("充值处理中，结果将短信通知。", "The top-up is under way. The result follows by SMS.")
OPENED = text(
    "手机支付账户已受理开通，请打开短信中的链接设置支付密码。",
    "Your wallet is opened. Follow the link in the SMS to set its payment password.",
)
CLOSED = text("账户已销户。", "Your wallet is closed.")
CLOSING = text(
    "销户已受理，余额付出后即销户，结果将短信通知。", "Your wallet will be closed once its rest is paid out."
)
UNSURE = text(
    "刚才的操作是否成功未能确认，成功的将短信通知，请查询后再办理。",
    "We cannot tell whether that was done; an SMS tells you if it was. Please check before you try again.",
)
_BLOCKED = text("暂不能销户：{reasons}。", "It cannot be closed yet: {reasons}.")
_PENDING = text("{count}笔交易未完成", "{count} transactions are under way")
_MEMBERS = text("集团成员{count}名须先移除", "{count} members must be removed first")
_HELD = text("{amount}元冻结在途", "{amount} yuan are held")
_FROZEN_FEN = text("{amount}元被冻结", "{amount} yuan are frozen")
_REST = text("余额{amount}元须先转出或提现", "the balance of {amount} yuan must be used or withdrawn")
_CHOICES = {
    Payout.NONE: text("账户余额为零，销户请按{key}。", "Your balance is zero. To close the wallet press {key}."),
    Payout.BANK_CARD: text(
        "余额转到尾号{digits}的银行卡并销户请按{key}。",
        "To pay the rest to the bank card that ends in {digits} and close the wallet press {key}.",
    ),
    Payout.PHONE_BILL: text(
        "余额转入话费并销户请按{key}。", "To pay the rest to your phone bill and close the wallet press {key}."
    ),
    Payout.CASH: text("余额请到营业厅领取。", "The rest is paid out at a service hall."),
}


def balance_told(account: AccountOverview, lines: Sequence[Line]) -> str:
    """The balance, the state and the latest movements."""
    language = account.language
    told = _BALANCE[language].format(available=Money(account.available_fen), state=STATES[account.state][language])
    if not lines:
        return told + _between(language) + _NO_LINES[language]
    separator = "；" if language == "zh-CN" else "; "
    listed = separator.join(_line(line, language) for line in lines)
    return told + _between(language) + _LINES[language].format(lines=listed)


def limit_told(account: AccountOverview) -> str:
    return _LIMIT[account.language].format(
        limit=Money(account.daily_limit_fen),
        spent=Money(account.spent_today_fen),
        left=Money(max(0, account.daily_limit_fen - account.spent_today_fen)),
    )


def limit_set(fen: int, language: str) -> str:
    return _LIMIT_SET[language].format(limit=Money(fen))


def frozen_told(until: date | None, language: str) -> str:
    if until is None:
        return _FROZEN[language]
    return _FROZEN_UNTIL[language].format(month=until.month, day=until.day)


def lost_told(until: datetime, language: str) -> str:
    day = until.astimezone(SHANGHAI)
    return _LOST[language].format(month=day.month, day=day.day)


def topped_up(fen: int, language: str) -> str:
    return _TOPPED_UP[language].format(amount=Money(fen))


def blocked_told(standing: Standing, language: str) -> str:
    """What stands in the way of closing the account."""
    reasons = []
    if standing.pending:
        reasons.append(_PENDING[language].format(count=standing.pending))
    if standing.members:
        reasons.append(_MEMBERS[language].format(count=standing.members))
    if standing.held_fen:
        reasons.append(_HELD[language].format(amount=Money(standing.held_fen)))
    if standing.frozen_fen:
        reasons.append(_FROZEN_FEN[language].format(amount=Money(standing.frozen_fen)))
    elif standing.balance_fen:
        reasons.append(_REST[language].format(amount=Money(standing.balance_fen)))
    return _BLOCKED[language].format(reasons=("，" if language == "zh-CN" else ", ").join(reasons))


def choices_told(choices: Sequence[Choice], language: str) -> str:
    """The ways of closing, each with its key."""
    told = []
    for key, choice in enumerate(choices, 1):
        digits = "" if choice.card is None else " ".join(choice.card.masked[-4:])
        told.append(_CHOICES[choice.payout][language].format(key=key, digits=digits))
    return _between(language).join(told) + _between(language)


def _line(line: Line, language: str) -> str:
    return _LINE[language].format(
        month=line.booked_on.month,
        day=line.booked_on.day,
        kind=KINDS[line.transaction.kind][language],
        way=(_IN if line.change_fen > 0 else _OUT)[language],
        amount=Money(abs(line.change_fen)),
    )


def _between(language: str) -> str:
    return "" if language == "zh-CN" else " "
