"""What is answered to a question about the account, and to a change that no notice tells of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time

from mpss.accounts.customer_model import SubmissionState
from mpss.accounts.model import AccountClass
from mpss.accounts.own_limits import Measured
from mpss.accounts.preferences import Wishes
from mpss.accounts.queries import AccountOverview
from mpss.accounts.state import EffectiveState, Operation
from mpss.accounts.upgrade import AccountIdentity
from mpss.channels.sms.texts import text
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.money import Money
from mpss.notices.preference_model import Group
from mpss.transactions.closings.model import Standing
from mpss.transactions.statements.model import Line
from mpss.transactions.statements.words import KINDS

_STATES = {
    EffectiveState.ACTIVE: text("正常", "active"),
    EffectiveState.PENDING: text("待设置支付密码", "waiting for its payment password"),
    EffectiveState.PASSWORD_LOCKED: text("支付已锁定", "paying is locked"),
    EffectiveState.CLOSED: text("已销户", "closed"),
    EffectiveState.PRE_CLOSED: text("销户中", "being closed"),
    EffectiveState.FROZEN_BY_LAW: text("依法冻结", "frozen by law"),
    EffectiveState.LOSS_WRITTEN: text("书面挂失", "loss reported in writing"),
    EffectiveState.LOSS_ORAL: text("口头挂失", "loss reported"),
    EffectiveState.FROZEN_FOR_RISK: text("风控冻结", "frozen for a risk"),
    EffectiveState.FROZEN_BY_USER: text("本人冻结", "frozen by you"),
    EffectiveState.STOPPED: text("已停机", "the number is stopped"),
    EffectiveState.DOCUMENT_EXPIRED: text("证件已过期", "the document has expired"),
    EffectiveState.DORMANT: text("已沉默", "dormant"),
}
_BALANCE = text(
    "可用余额{available}元，状态{state}，日消费限额{limit}元，今日已用{spent}元。",
    "Available {available} yuan; {state}; daily limit {limit} yuan, {spent} used today.",
)
_CLASSES = {
    AccountClass.WEAK: text("弱实名", "weak real-name"),
    AccountClass.CLASS_1: text("I类实名", "real-name, class I"),
    AccountClass.CLASS_2: text("II类实名", "real-name, class II"),
    AccountClass.CLASS_3: text("III类实名", "real-name, class III"),
    AccountClass.CORPORATE: text("集团", "corporate"),
    AccountClass.MERCHANT: text("商户", "merchant"),
}
_UNTIL = text("（至{at}）", " (until {at})")
_STATE = text(
    "手机支付账户，{level}，状态{state}{until}，{opened}开户，日消费限额{limit}元。",
    "Wallet, {level}; {state}{until}; opened {opened}; daily limit {limit} yuan.",
)
_LIMITS = text(
    "日消费限额{limit}元，今日已用{spent}元，尚可用{left}元。可降至0，例如：XE 500；调高（最高{most}元）请登录网页。",
    "Daily limit {limit} yuan, {spent} used today, {left} left. Lower it: XE 500. Raise it (to {most}) on the web.",
)
_BY_SMS = text("短信支付今日另限{limit}元，尚可付{left}元。", "By SMS, {limit} yuan a day, {left} left.")
LIMIT_OUT_OF_RANGE = text(
    "日消费限额应为0至{most}元，例如：XE 500。", "The daily limit is from 0 to {most} yuan, as in: XE 500"
)
RAISE_LIMIT = text(
    "调高日消费限额（现为{limit}元）需支付密码，请登录网页办理；短信只能调低。",
    "Raising the daily limit (now {limit} yuan) takes the payment password: do it on the web. By SMS you can lower it.",
)
FREEZE_TOO_LONG = text(
    "冻结天数应为1至{days}，例如：DJ 7；只发DJ则冻结至您解冻为止。",
    "Freeze for 1 to {days} days, as in: DJ 7. DJ alone freezes until you release it.",
)
FROZEN_FOR_LONGER = text(
    "您的账户已冻结更长时间，不能缩短；解冻请发JD。",
    "Your wallet is frozen for longer already. To release it send UNFREEZE.",
)
LOST_ALREADY = text("您的账户已挂失。", "Loss of this wallet is reported already.")
NOTHING_TO_DO = {
    Operation.UNFREEZE: text("您没有冻结账户，无需解冻。", "You have not frozen your wallet."),
    Operation.LIFT_LOSS: text("您的账户没有挂失，无需解挂。", "No loss of this wallet is reported."),
    Operation.WAKE: text("您的账户未沉默，可正常使用。", "Your wallet is awake."),
}
_CLOSING = text(
    "暂不能销户：{reasons}。请处理后再发XH，或持证件到营业厅办理。",
    "Not yet: {reasons}. Send XH again after that, or bring your document to a service hall.",
)
_PENDING = text("{count}笔交易未完成", "{count} transactions are under way")
_MEMBERS = text("集团成员{count}名须先移除", "remove {count} members first")
_HELD = text("冻结在途{amount}元", "{amount} yuan are held")
_FROZEN = text("{amount}元被冻结", "{amount} yuan are frozen")
_REST = text("余额{amount}元须先转出或提现", "use or withdraw your balance of {amount} yuan")
LANGUAGE_SET = text("短信语言已设为中文。", "Our SMS to you are in English now.")
_NO_LINES = text("暂无账务变动。", "There are no movements yet.")
_NAME_LENGTH = 12

_GROUPS = {
    Group.MONEY_IN: text("入账", "IN"),
    Group.MONEY_BACK: text("退款", "BACK"),
    Group.SETTINGS: text("设置", "SETTINGS"),
}
_ON = text("开", "on")
_OFF = text("关", "off")
_NOTICES = text(
    "通知：{groups}；免打扰{quiet}。支出、密码、挂失、冻结等必发通知不可关闭。",
    "Notices: {groups}; quiet hours {quiet}. Money out, passwords, loss and freezes are always told.",
)
_NO_QUIET = text("未设", "none")

_UPGRADE = {
    AccountClass.WEAK: text(
        "您的账户为弱实名，限额较低。请登录网页提交证件，或持证件到营业厅办理实名升级。",
        "Your wallet is weak real-name, with low limits. Send your document in on the web or bring it to a hall.",
    ),
    AccountClass.CLASS_1: text(
        "您的账户为I类实名。持证件到营业厅可升级为II类或III类。",
        "Your wallet is of class I. Bring your document to a service hall for class II or III.",
    ),
    AccountClass.CLASS_2: text(
        "您的账户为II类实名。持证件到营业厅可升级为III类。",
        "Your wallet is of class II. Bring your document to a service hall for class III.",
    ),
}
_HIGHEST = text("您的账户已是最高等级：{level}。", "Your wallet is of the highest level: {level}.")
_SUBMITTED = text(
    "您提交的实名资料正在审核，结果将短信通知。", "Your papers are being looked at; the result follows by SMS."
)


def balance_reply(account: AccountOverview) -> str:
    """What a balance query is answered with, in the account's language."""
    return _BALANCE[account.language].format(
        available=Money(account.available_fen),
        state=_STATES[account.state][account.language],
        limit=Money(account.daily_limit_fen),
        spent=Money(account.spent_today_fen),
    )


def state_reply(account: AccountOverview) -> str:
    """Type, state, opening time and daily limit (CT 5.2)."""
    language = account.language
    until = account.state_until
    at = "" if until is None else f"{until.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    return _STATE[language].format(
        level=_CLASSES[account.account_class][language],
        state=_STATES[account.state][language],
        until=_UNTIL[language].format(at=at) if at else "",
        opened=f"{account.opened_at.astimezone(SHANGHAI):%Y-%m-%d}",
        limit=Money(account.daily_limit_fen),
    )


def limits_reply(account: AccountOverview, *, most_fen: int, by_sms: Measured) -> str:
    """The daily limit, what is left of it, and how it is set; and what may go by SMS, where that has its own limit."""
    told = _LIMITS[account.language].format(
        limit=Money(account.daily_limit_fen),
        spent=Money(account.spent_today_fen),
        left=Money(max(0, account.daily_limit_fen - account.spent_today_fen)),
        most=Money(most_fen),
    )
    if by_sms.limit is None or by_sms.left is None:
        return told
    return told + _BY_SMS[account.language].format(limit=Money(by_sms.limit), left=Money(by_sms.left))


def closing_reply(standing: Standing, language: str) -> str:
    """What stands in the way of closing the account."""
    reasons = []
    if standing.pending:
        reasons.append(_PENDING[language].format(count=standing.pending))
    if standing.members:
        reasons.append(_MEMBERS[language].format(count=standing.members))
    if standing.held_fen:
        reasons.append(_HELD[language].format(amount=Money(standing.held_fen)))
    if standing.frozen_fen:
        reasons.append(_FROZEN[language].format(amount=Money(standing.frozen_fen)))
    elif standing.balance_fen:
        reasons.append(_REST[language].format(amount=Money(standing.balance_fen)))
    return _CLOSING[language].format(reasons=("，" if language == "zh-CN" else ", ").join(reasons))


def statement_reply(lines: Sequence[Line], language: str) -> str:
    """The movements, the newest first: day, kind, change and the other side."""
    if not lines:
        return _NO_LINES[language]
    return ("；" if language == "zh-CN" else "; ").join(_line(line, language) for line in lines)


def notices_reply(wishes: Wishes, language: str) -> str:
    """Which notices are sent, and when not."""
    preferences = wishes.preferences
    groups = [
        f"{name[language]}{'' if language == 'zh-CN' else ' '}"
        f"{(_OFF if group in preferences.unwanted else _ON)[language]}"
        for group, name in _GROUPS.items()
    ]
    start, end = preferences.quiet_from, preferences.quiet_to
    quiet = _NO_QUIET[language] if start is None or end is None else f"{_clock(start)}-{_clock(end)}"
    return _NOTICES[language].format(groups=("，" if language == "zh-CN" else ", ").join(groups), quiet=quiet)


def upgrade_reply(identity: AccountIdentity, language: str) -> str:
    """The real-name level, and the next step."""
    if identity.submission is not None and identity.submission.state is SubmissionState.SUBMITTED:
        return _SUBMITTED[language]
    known = _UPGRADE.get(identity.account_class)
    return known[language] if known else _HIGHEST[language].format(level=_CLASSES[identity.account_class][language])


def _line(line: Line, language: str) -> str:
    other = line.merchant or line.counterpart or ""
    if len(other) > _NAME_LENGTH and line.merchant:
        other = other[: _NAME_LENGTH - 1] + "…"
    sign = "+" if line.change_fen > 0 else ""
    kind = KINDS[line.transaction.kind][language]
    space = "" if language == "zh-CN" else " "
    return f"{line.booked_on:%m-%d} {kind}{space}{sign}{Money(line.change_fen)}{' ' if other else ''}{other}"


def _clock(at: time) -> str:
    return f"{at:%H:%M}"
