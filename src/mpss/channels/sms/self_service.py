"""What a subscriber does to the own account by SMS: loss, freeze, limits, notices, and what is asked about it.

What the phone alone proves is enough for what stops money, or tells. What lets money go again is proven by the payment
password, on the page of a link: no password is taken by SMS. Spec: CT 5.2, 5.4; CM 5.4, 5.5, 6.7.2, 8.2.2.
"""

from __future__ import annotations

from datetime import timedelta

from mpss.accounts.change_link import request_change_link
from mpss.accounts.freeze import freeze_by_user
from mpss.accounts.limit_model import LimitOperation
from mpss.accounts.limits import change_daily_limit
from mpss.accounts.loss import report_loss
from mpss.accounts.own_limits import limits_of
from mpss.accounts.preferences import read_wishes, set_wishes
from mpss.accounts.queries import AccountOverview
from mpss.accounts.state import EffectiveState, Operation
from mpss.accounts.upgrade import identity_of
from mpss.channels.sms.account_replies import (
    FREEZE_TOO_LONG,
    FROZEN_FOR_LONGER,
    LANGUAGE_SET,
    LIMIT_OUT_OF_RANGE,
    LOST_ALREADY,
    NOTHING_TO_DO,
    RAISE_LIMIT,
    closing_reply,
    limits_reply,
    notices_reply,
    state_reply,
    statement_reply,
    upgrade_reply,
)
from mpss.channels.sms.commands import (
    AccountCommand,
    AskLink,
    Freeze,
    ReportLoss,
    SetDailyLimit,
    SetLanguage,
    SetQuietHours,
    ShowLimits,
    ShowNotices,
    ShowState,
    ShowStatement,
    ShowUpgrade,
    SwitchNotices,
)
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.money import Money
from mpss.notices.preference_model import Preferences
from mpss.runtime import Runtime
from mpss.transactions.closings.choices import closing_choices
from mpss.transactions.statements.export import statement_page
from mpss.transactions.statements.model import Search

CHANNEL = "sms"


async def look_after(
    runtime: Runtime, command: AccountCommand, *, account: AccountOverview, language: str
) -> str | None:
    """Carry the command out on the sender's account; the reply, or None where the flow's own notice answers.

    Raises:
        Refused: as the flow.
    """
    match command:
        case ShowState():
            return state_reply(account)
        case ShowLimits():
            limits = await limits_of(runtime, account_id=account.id, channel=CHANNEL)
            payments = next(each for each in limits.operations if each.operation is LimitOperation.PAYMENT)
            most_fen = runtime.policy.max_daily_limit_fen
            return limits_reply(account, most_fen=most_fen, by_sms=payments.channel_daily_fen)
        case ShowStatement(lines):
            found = await statement_page(runtime, account_id=account.id, search=Search(), after=None, limit=lines)
            return statement_reply(found, language)
        case ShowUpgrade():
            return upgrade_reply(await identity_of(runtime, account_id=account.id), language)
        case ReportLoss():
            return await _report_loss(runtime, account, language)
        case AskLink(operation):
            return await _ask_link(runtime, account, operation, language)
        case Freeze(days):
            return await _freeze(runtime, account, days, language)
        case SetDailyLimit(amount_fen):
            most_fen = runtime.policy.max_daily_limit_fen
            if amount_fen > most_fen:
                return LIMIT_OUT_OF_RANGE[language].format(most=Money(most_fen))
            if amount_fen > account.daily_limit_fen:
                return RAISE_LIMIT[language].format(limit=Money(account.daily_limit_fen))
            await change_daily_limit(runtime, account_id=account.id, daily_limit_fen=amount_fen, source=CHANNEL)
            return None
        case SetLanguage() | ShowNotices() | SwitchNotices() | SetQuietHours():
            return await _wish(runtime, command, account, language)


async def _report_loss(runtime: Runtime, account: AccountOverview, language: str) -> str | None:
    try:
        await report_loss(runtime, account_id=account.id, channel=CHANNEL)
    except Refused as refused:
        if refused.code is ErrorCode.ILLEGAL_STATE:
            return LOST_ALREADY[language]
        raise
    return None


async def _ask_link(runtime: Runtime, account: AccountOverview, operation: Operation, language: str) -> str | None:
    if operation is Operation.CLOSE and account.state is not EffectiveState.CLOSED:
        standing, choices = await closing_choices(runtime, account_id=account.id)
        if not choices:
            return closing_reply(standing, language)
    try:
        await request_change_link(runtime, account_id=account.id, operation=operation)
    except Refused as refused:
        if refused.code is ErrorCode.ILLEGAL_STATE and operation in NOTHING_TO_DO:
            return NOTHING_TO_DO[operation][language]
        raise
    return None


async def _freeze(runtime: Runtime, account: AccountOverview, days: int | None, language: str) -> str | None:
    until = None
    if days is not None:
        most = runtime.policy.user_freeze_days
        if days > most:
            return FREEZE_TOO_LONG[language].format(days=most)
        until = runtime.clock.now().astimezone(SHANGHAI).date() + timedelta(days=days)
    try:
        await freeze_by_user(runtime, account_id=account.id, until=until, channel=CHANNEL)
    except Refused as refused:
        if refused.code is ErrorCode.ILLEGAL_STATE:
            return FROZEN_FOR_LONGER[language]
        raise
    return None


async def _wish(
    runtime: Runtime,
    command: SetLanguage | ShowNotices | SwitchNotices | SetQuietHours,
    account: AccountOverview,
    language: str,
) -> str:
    wishes = await read_wishes(runtime, account_id=account.id)
    had = wishes.preferences
    match command:
        case ShowNotices():
            return notices_reply(wishes, language)
        case SetLanguage():
            wishes = wishes._replace(language=command.language)
        case SwitchNotices(on, groups):
            unwanted = had.unwanted - groups if on else had.unwanted | groups
            wishes = wishes._replace(preferences=Preferences(unwanted, had.quiet_from, had.quiet_to))
        case SetQuietHours(quiet_from, quiet_to):
            wishes = wishes._replace(preferences=Preferences(had.unwanted, quiet_from, quiet_to))
    await set_wishes(runtime, account_id=account.id, wishes=wishes)
    return LANGUAGE_SET[language] if isinstance(command, SetLanguage) else notices_reply(wishes, language)
