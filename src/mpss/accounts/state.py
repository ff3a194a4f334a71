"""What an account's facts come to, and what may be done in each state: the two tables of CM 7.6 and CT 5.2. Pure.

The facts are independent: life, loss, freezes, the stop by BOSS, the password's lock, an expired document, dormancy.
The effective state is the gravest of them, in the order of `EffectiveState`; what has a date ends by the clock, no job
is waited for. `mpss reference states` prints both tables. Decision: ADR-0021.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from mpss.accounts.model import AccountRow, FreezeKind, Life, Loss
from mpss.kernel.errors import ErrorCode


class EffectiveState(StrEnum):
    """What the account's facts come to, the gravest first."""

    CLOSED = "closed"
    PRE_CLOSED = "pre_closed"
    FROZEN_BY_LAW = "frozen_by_law"
    LOSS_WRITTEN = "loss_written"
    LOSS_ORAL = "loss_oral"
    FROZEN_FOR_RISK = "frozen_for_risk"
    FROZEN_BY_USER = "frozen_by_user"
    STOPPED = "stopped"
    PENDING = "pending"
    PASSWORD_LOCKED = "password_locked"  # noqa: S105 - a state
    DOCUMENT_EXPIRED = "document_expired"
    DORMANT = "dormant"
    ACTIVE = "active"


class Operation(StrEnum):
    """What may be done with an account, as far as its state has a say."""

    PAY = "pay"
    TRANSFER = "transfer"
    WITHDRAW = "withdraw"
    TOP_UP = "top_up"
    RECEIVE = "receive"
    BIND_CARD = "bind_card"
    UNBIND_CARD = "unbind_card"
    SET_PAYEE = "set_payee"
    SET_LIMIT = "set_limit"
    SET_PASSWORD = "set_password"  # noqa: S105 - an operation
    UPGRADE = "upgrade"
    REPORT_LOSS = "report_loss"
    LIFT_LOSS = "lift_loss"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    WAKE = "wake"
    CLOSE = "close"
    PAY_OUT = "pay_out"


MEANINGS: dict[Operation, str] = {
    Operation.PAY: "a purchase, from any source",
    Operation.TRANSFER: "a transfer to somebody else",
    Operation.WITHDRAW: "a withdrawal to a bank card",
    Operation.TOP_UP: "a top-up the holder asks for: card, voucher, online bank",
    Operation.RECEIVE: "money from others: cash at a hall, a bank, a transfer",
    Operation.BIND_CARD: "binding a bank card",
    Operation.UNBIND_CARD: "unbinding one, dissolving a directed relation",
    Operation.SET_PAYEE: "setting up or changing a directed relation",
    Operation.SET_LIMIT: "changing the holder's own limits",
    Operation.SET_PASSWORD: "setting, changing or unlocking the payment password; setting the login password",
    Operation.UPGRADE: "from weak real-name to real-name",
    Operation.REPORT_LOSS: "reporting loss, by voice, portal or in writing",
    Operation.LIFT_LOSS: "lifting a loss report",
    Operation.FREEZE: "freezing by the user, for a risk, by law",
    Operation.UNFREEZE: "releasing a freeze",
    Operation.WAKE: "waking a dormant account by re-verification",
    Operation.CLOSE: "asking for the closing",
    Operation.PAY_OUT: "paying the rest out when closing",
}

_O = Operation
_UPKEEP = {_O.UNBIND_CARD, _O.REPORT_LOSS, _O.FREEZE, _O.UNFREEZE}
ALLOWED: dict[EffectiveState, frozenset[Operation]] = {
    EffectiveState.CLOSED: frozenset(),
    EffectiveState.PRE_CLOSED: frozenset({_O.PAY_OUT, _O.FREEZE, _O.UNFREEZE}),
    EffectiveState.FROZEN_BY_LAW: frozenset({_O.RECEIVE, _O.TOP_UP, *_UPKEEP, _O.LIFT_LOSS}),
    # Closing by loss (挂失销户): the written report is its ground.
    EffectiveState.LOSS_WRITTEN: frozenset({_O.RECEIVE, *_UPKEEP, _O.LIFT_LOSS, _O.UPGRADE, _O.CLOSE}),
    EffectiveState.LOSS_ORAL: frozenset({_O.RECEIVE, *_UPKEEP, _O.LIFT_LOSS, _O.UPGRADE}),
    EffectiveState.FROZEN_FOR_RISK: frozenset({_O.RECEIVE, _O.TOP_UP, *_UPKEEP, _O.UPGRADE}),
    # A frozen account takes no part in trading (CT 5.2, 6.1.3).
    EffectiveState.FROZEN_BY_USER: frozenset({*_UPKEEP, _O.UPGRADE}),
    EffectiveState.STOPPED: frozenset({_O.RECEIVE, _O.SET_PASSWORD, *_UPKEEP, _O.UPGRADE, _O.CLOSE}),
    EffectiveState.PENDING: frozenset({_O.SET_PASSWORD, *_UPKEEP, _O.UPGRADE, _O.CLOSE}),
    EffectiveState.PASSWORD_LOCKED: frozenset({_O.RECEIVE, _O.TOP_UP, _O.SET_PASSWORD, *_UPKEEP, _O.UPGRADE, _O.CLOSE}),
    # Money may come in; none goes out until a new document was looked at.
    EffectiveState.DOCUMENT_EXPIRED: frozenset(
        {_O.RECEIVE, _O.TOP_UP, _O.SET_PASSWORD, *_UPKEEP, _O.UPGRADE, _O.CLOSE}
    ),
    EffectiveState.DORMANT: frozenset(
        {_O.RECEIVE, _O.TOP_UP, _O.SET_PASSWORD, *_UPKEEP, _O.UPGRADE, _O.WAKE, _O.CLOSE}
    ),
    EffectiveState.ACTIVE: frozenset(_O) - {_O.LIFT_LOSS, _O.WAKE, _O.PAY_OUT},
}
"""What each state allows. Whoever holds a lost phone holds its codes, so no password is set while loss is reported or
the account is frozen. Queries and what is insisted upon (a refund, a reversal, a return) are always allowed."""

REFUSALS: dict[EffectiveState, ErrorCode] = {
    EffectiveState.CLOSED: ErrorCode.ACCOUNT_CLOSED,
    EffectiveState.PRE_CLOSED: ErrorCode.ACCOUNT_CLOSING,
    EffectiveState.FROZEN_BY_LAW: ErrorCode.FROZEN_BY_LAW,
    EffectiveState.LOSS_WRITTEN: ErrorCode.LOSS_WRITTEN,
    EffectiveState.LOSS_ORAL: ErrorCode.LOSS_ORAL,
    EffectiveState.FROZEN_FOR_RISK: ErrorCode.FROZEN_FOR_RISK,
    EffectiveState.FROZEN_BY_USER: ErrorCode.FROZEN_BY_USER,
    EffectiveState.STOPPED: ErrorCode.NUMBER_STOPPED,
    EffectiveState.PENDING: ErrorCode.ACCOUNT_NOT_ACTIVE,
    EffectiveState.PASSWORD_LOCKED: ErrorCode.PASSWORD_LOCKED,
    EffectiveState.DOCUMENT_EXPIRED: ErrorCode.DOCUMENT_EXPIRED,
    EffectiveState.DORMANT: ErrorCode.ACCOUNT_DORMANT,
    EffectiveState.ACTIVE: ErrorCode.ILLEGAL_STATE,
}
"""What an operation that the state does not allow is answered."""


class StateFacts(NamedTuple):
    """The facts of an account's state alone, for a reader that has no `AccountRow`."""

    life: Life
    loss: Loss
    loss_until: datetime | None
    boss_stopped: bool
    dormant_since: datetime | None
    freezes: tuple[FreezeKind, ...]
    user_freeze_until: datetime | None
    document_expired_since: datetime | None = None


# Bound once: a member looked up on its class takes 0.1 µs in Python 3.11, and each decision asks for a state.
_PENDING, _PRE_CLOSED, _CLOSED = Life.PENDING, Life.PRE_CLOSED, Life.CLOSED
_NO_LOSS, _WRITTEN = Loss.NONE, Loss.WRITTEN
_ACTIVE, _DORMANT, _STOPPED = EffectiveState.ACTIVE, EffectiveState.DORMANT, EffectiveState.STOPPED


def effective_state(account: AccountRow | StateFacts, *, at: datetime, locked: bool = False) -> EffectiveState:
    """The gravest of the account's facts at `at`; `locked`: the payment password is."""
    life, loss, freezes = account.life, account.loss, account.freezes
    if life is _CLOSED:
        return EffectiveState.CLOSED
    if life is _PRE_CLOSED:
        return EffectiveState.PRE_CLOSED
    if loss is not _NO_LOSS or freezes:
        lost_until, frozen_until = account.loss_until, account.user_freeze_until
        if FreezeKind.LAW in freezes:
            return EffectiveState.FROZEN_BY_LAW
        if loss is _WRITTEN:
            return EffectiveState.LOSS_WRITTEN
        if loss is not _NO_LOSS and (lost_until is None or at < lost_until):
            return EffectiveState.LOSS_ORAL
        if FreezeKind.RISK in freezes:
            return EffectiveState.FROZEN_FOR_RISK
        if FreezeKind.USER in freezes and (frozen_until is None or at < frozen_until):
            return EffectiveState.FROZEN_BY_USER
    if account.boss_stopped:
        return _STOPPED
    if life is _PENDING:
        return EffectiveState.PENDING
    if locked:
        return EffectiveState.PASSWORD_LOCKED
    if account.document_expired_since is not None:
        return EffectiveState.DOCUMENT_EXPIRED
    return _ACTIVE if account.dormant_since is None else _DORMANT


def refusal_in(state: EffectiveState, operation: Operation) -> ErrorCode | None:
    """Why the operation is refused in the state, or None."""
    return None if operation in ALLOWED[state] else REFUSALS[state]


def refusals_of(operation: Operation) -> tuple[ErrorCode, ...]:
    """Every code that some state refuses the operation with; a locked password is the password check's to say."""
    return tuple(
        REFUSALS[state]
        for state in EffectiveState
        if operation not in ALLOWED[state] and state not in (EffectiveState.ACTIVE, EffectiveState.PASSWORD_LOCKED)
    )
