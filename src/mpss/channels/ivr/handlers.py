"""Carries out what a caller asked for by keys: errand → flow → what is said.

The operator's network says whose phone calls, which stands in for an SMS code; what lets money go again, or shows that
a number's holder calls from another phone, takes a proof that is keyed, and is kept nowhere.
Spec: CT 5.2; CM 6.7.1, 6.8. Decision: ADR-0036.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from mpss.accounts.calls import Call
from mpss.accounts.freeze import freeze_by_user, unfreeze_by_user
from mpss.accounts.limits import change_daily_limit
from mpss.accounts.loss import lift_loss, report_loss, report_loss_from_another_phone
from mpss.accounts.model import Life
from mpss.accounts.open import open_by_sms
from mpss.accounts.password import change
from mpss.accounts.proven import Proofs
from mpss.accounts.queries import AccountOverview, overview_by_phone
from mpss.accounts.sign_in import Session
from mpss.channels.ivr.dialogs import Do, Place, Standing, done, refused
from mpss.channels.ivr.refusals import MISTYPED, REFUSALS
from mpss.channels.ivr.replies import (
    CLOSED,
    CLOSING,
    FREEZE_TOO_LONG,
    LOSS_LIFTED,
    LOST_ALREADY,
    NOT_FROZEN,
    NOT_LOST,
    OPENED,
    PASSWORD_CHANGED,
    PASSWORDS_DIFFER,
    TOPUP_PENDING,
    UNFROZEN,
    balance_told,
    blocked_told,
    choices_told,
    frozen_told,
    limit_set,
    limit_told,
    lost_told,
    topped_up,
)
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, MpssError, Refused
from mpss.observability import log
from mpss.runtime import Runtime
from mpss.transactions.closings.choices import closing_choices
from mpss.transactions.closings.close import close_account
from mpss.transactions.statements.export import statement_page
from mpss.transactions.statements.model import Search
from mpss.transactions.topups.recharge import top_up_by_recharge_card
from mpss.transactions.topups.voucher import redeem_voucher

CHANNEL = "ivr"
_LINES_TOLD = 3
_FEN = 100
_MOST_CHOICES = 9
_NOTHING_TO_DO = {
    Do.UNFREEZE: NOT_FROZEN,
    Do.LIFT_LOSS: NOT_LOST,
    Do.REPORT_OWN_LOSS: LOST_ALREADY,
    Do.REPORT_OTHER_LOSS: LOST_ALREADY,
}


async def carry_out(runtime: Runtime, do: Do, keyed: Mapping[str, str], *, call: Call, at: Standing) -> Standing:
    """Where the call stands after `do`, with what is said of it. What goes wrong is said too, and logged."""
    try:
        standing = await _carry_out(runtime, do, keyed, call, at)
        log.info("ivr.done", do=do, place=standing.place)
        return standing
    except MpssError as problem:
        code = problem.code
        if code is ErrorCode.INTERNAL:
            log.exception("ivr.failed", do=do)
    log.info("ivr.refused", do=do, code=code)
    if code is ErrorCode.ILLEGAL_STATE and do in _NOTHING_TO_DO:
        return done(at, _NOTHING_TO_DO[do][at.language])
    return refused(at, REFUSALS[code][at.language], mistyped=code in MISTYPED)


async def _carry_out(runtime: Runtime, do: Do, keyed: Mapping[str, str], call: Call, at: Standing) -> Standing:
    language = at.language
    if do is Do.REPORT_OTHER_LOSS:
        until = await report_loss_from_another_phone(
            runtime, phone=keyed["phone"], proof=keyed["proof"].replace("*", "X"), channel=CHANNEL,
            source=f"{CHANNEL}:{call.phone or 'withheld'}",
        )  # fmt: skip
        return done(at, lost_told(until, language))
    assert call.phone is not None, "a stranger's menu has nothing else"
    if do is Do.OPEN:
        await open_by_sms(runtime, phone=call.phone, language=language, channel=CHANNEL)
        return done(at, OPENED[language])
    account = await overview_by_phone(runtime, phone=call.phone)
    source = f"{CHANNEL}:{call.phone}"
    proofs = Proofs(keyed.get("password", ""), "", source, by_call=True)
    match do:
        case Do.TELL_BALANCE:
            lines = await statement_page(runtime, account_id=account.id, search=Search(), after=None, limit=_LINES_TOLD)
            return done(at, balance_told(account, lines))
        case Do.TELL_LIMIT:
            return done(at, limit_told(account), place=Place.LIMIT)
        case Do.SET_LIMIT:
            return await _set_limit(runtime, keyed, account, at, source)
        case Do.FREEZE:
            return await _freeze(runtime, int(keyed["days"]), account, at)
        case Do.UNFREEZE:
            await unfreeze_by_user(runtime, account_id=account.id, proofs=proofs)
            return done(at, UNFROZEN[language])
        case Do.REPORT_OWN_LOSS:
            return done(at, lost_told(await report_loss(runtime, account_id=account.id, channel=CHANNEL), language))
        case Do.LIFT_LOSS:
            await lift_loss(runtime, account_id=account.id, proofs=proofs)
            return done(at, LOSS_LIFTED[language])
        case Do.CHANGE_PASSWORD:
            return await _change_password(runtime, keyed, account, at, source)
        case Do.TOP_UP:
            return await _top_up(runtime, keyed["card"], account, at, call)
        case Do.ASK_CLOSING:
            return await _ask_closing(runtime, account, at)
        case Do.CLOSE:
            return await _close(runtime, keyed["choice"], account, at, proofs)


async def _set_limit(
    runtime: Runtime, keyed: Mapping[str, str], account: AccountOverview, at: Standing, source: str
) -> Standing:
    """Lowered at once; to raise it the password is asked for."""
    yuan = keyed.get("yuan") or at.memory["yuan"]
    fen = int(yuan) * _FEN
    password = keyed.get("password")
    if account.daily_limit_fen < fen <= runtime.policy.max_daily_limit_fen and password is None:
        return done(at, "", place=Place.LIMIT_PASSWORD, memory={"yuan": yuan})
    await change_daily_limit(runtime, account_id=account.id, daily_limit_fen=fen, password=password, source=source)
    return done(at, limit_set(fen, at.language))


async def _freeze(runtime: Runtime, days: int, account: AccountOverview, at: Standing) -> Standing:
    most = runtime.policy.user_freeze_days
    if days > most:
        return refused(at, FREEZE_TOO_LONG[at.language].format(days=most), mistyped=True)
    until = runtime.clock.now().astimezone(SHANGHAI).date() + timedelta(days=days) if days else None
    await freeze_by_user(runtime, account_id=account.id, until=until, channel=CHANNEL)
    return done(at, frozen_told(until, at.language))


async def _change_password(
    runtime: Runtime, keyed: Mapping[str, str], account: AccountOverview, at: Standing, source: str
) -> Standing:
    new = keyed["new_password"]
    if new != keyed["once_more"]:
        return refused(at, PASSWORDS_DIFFER[at.language], mistyped=True)
    # No session of the web is the caller's: all of them end.
    session = Session(account.phone, account.id, runtime.clock.now(), b"")
    await change(runtime, session=session, old_password=keyed["old_password"], new_password=new, source=source)
    return done(at, PASSWORD_CHANGED[at.language])


async def _top_up(runtime: Runtime, card: str, account: AccountOverview, at: Standing, call: Call) -> Standing:
    """By a card of the recharge platform, where it is of that form, or by one of our own."""
    settings, caller, key = runtime.settings, f"{CHANNEL}:{call.phone}", f"{call.id}/{call.step}"
    of_platform = len(card) == settings.recharge_card_digits and card.startswith(settings.recharge_card_prefix)
    if runtime.ports.recharge_card is not None and of_platform:
        answer = await top_up_by_recharge_card(
            runtime, account_id=account.id, key=key, card_number=card, channel=CHANNEL, caller=caller
        )
    else:
        answer = await redeem_voucher(
            runtime, account_id=account.id, key=key, password=card, channel=CHANNEL, caller=caller
        )
    topup = answer.transaction
    if topup.refusal is not None:
        raise Refused(topup.refusal)
    return done(at, TOPUP_PENDING[at.language] if topup.pending else topped_up(topup.amount_fen, at.language))


async def _ask_closing(runtime: Runtime, account: AccountOverview, at: Standing) -> Standing:
    standing, choices = await closing_choices(runtime, account_id=account.id)
    choices = choices[:_MOST_CHOICES]
    if not choices:
        return done(at, blocked_told(standing, at.language))
    keys = "".join(str(number) for number in range(1, len(choices) + 1))
    told, listed = choices_told(choices, at.language), ",".join(choice.key for choice in choices)
    return done(at, "", place=Place.CLOSE, memory={"keys": keys, "choices": listed, "told": told})


async def _close(runtime: Runtime, pressed: str, account: AccountOverview, at: Standing, proofs: Proofs) -> Standing:
    if pressed not in at.memory["keys"]:
        raise Refused(ErrorCode.MALFORMED_REQUEST)
    wanted = at.memory["choices"].split(",")[int(pressed) - 1]
    _, choices = await closing_choices(runtime, account_id=account.id)
    choice = next((each for each in choices if each.key == wanted), None)
    if choice is None:
        raise Refused(ErrorCode.CLOSING_BLOCKED)
    life = await close_account(
        runtime, account_id=account.id, payout=choice.payout, card_id=None if choice.card is None else choice.card.id,
        proofs=proofs,
    )  # fmt: skip
    return done(at, (CLOSED if life is Life.CLOSED else CLOSING)[at.language])
