"""What a subscriber can ask for by SMS, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

from mpss.accounts.state import Operation
from mpss.desk.model import Funding
from mpss.notices.preference_model import Group


@dataclass(frozen=True, slots=True)
class Open:
    """`language` is that of the account's notices; None where the command does not say."""

    language: str | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    pass


@dataclass(frozen=True, slots=True)
class SetPassword:
    """Asks for a one-time link; the password itself is never sent by SMS."""


@dataclass(frozen=True, slots=True)
class TopUp:
    """`card_password` is 16 digits and a secret."""

    card_password: str

    def __repr__(self) -> str:
        return "TopUp(***)"


@dataclass(frozen=True, slots=True)
class RechargeForm:
    """What card numbers of the operator's recharge platform look like."""

    prefix: str
    digits: int

    def fits(self, number: str) -> bool:
        return len(number) == self.digits and number.startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Recharge:
    """`card_number` is the recharge platform's, and a secret."""

    card_number: str

    def __repr__(self) -> str:
        return "Recharge(***)"


@dataclass(frozen=True, slots=True)
class TopUpFromCard:
    """From the bound card with these last digits, or from the only one."""

    amount_fen: int
    last_digits: str | None


@dataclass(frozen=True, slots=True)
class ListCards:
    pass


@dataclass(frozen=True, slots=True)
class UnbindCard:
    """The bound card with these last four digits."""

    last_digits: str


@dataclass(frozen=True, slots=True)
class BuyProduct:
    sms_code: int
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class PayMerchant:
    sms_code: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """`payee_phone` is E.164."""

    payee_phone: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """`last_digits` are the card's last four; None where one bound card is meant."""

    amount_fen: int
    last_digits: str | None = None


@dataclass(frozen=True, slots=True)
class Confirm:
    """`funding` is what pays; a bank card is the one that was bound first."""

    code: str
    funding: Funding = Funding.WALLET


@dataclass(frozen=True, slots=True)
class Cancel:
    code: str


@dataclass(frozen=True, slots=True)
class ReportLoss:
    pass


@dataclass(frozen=True, slots=True)
class Freeze:
    """For so many days, or until it is released."""

    days: int | None = None


@dataclass(frozen=True, slots=True)
class AskLink:
    """A link to the page where UNFREEZE, LIFT_LOSS, WAKE or CLOSE is proven by the payment password."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class ShowState:
    pass


@dataclass(frozen=True, slots=True)
class ShowLimits:
    pass


@dataclass(frozen=True, slots=True)
class SetDailyLimit:
    """0: nothing may be spent."""

    amount_fen: int


@dataclass(frozen=True, slots=True)
class ShowStatement:
    """The last so many movements."""

    lines: int = 3


@dataclass(frozen=True, slots=True)
class SetLanguage:
    """Of our SMS, "zh-CN" or "en"."""

    language: str


@dataclass(frozen=True, slots=True)
class ShowNotices:
    """Which notices are sent, and the quiet hours."""


@dataclass(frozen=True, slots=True)
class SwitchNotices:
    """Switch these groups on or off."""

    on: bool
    groups: frozenset[Group]


@dataclass(frozen=True, slots=True)
class SetQuietHours:
    """From when until when, Asia/Shanghai; both None: no quiet hours."""

    quiet_from: time | None
    quiet_to: time | None


@dataclass(frozen=True, slots=True)
class ShowUpgrade:
    """How real-name the account is, and how it becomes more so."""


@dataclass(frozen=True, slots=True)
class Help:
    """`account`: the commands that look after the account, not those that move money."""

    account: bool = False


AccountCommand = (
    ReportLoss
    | Freeze
    | AskLink
    | ShowState
    | ShowLimits
    | SetDailyLimit
    | ShowStatement
    | SetLanguage
    | ShowNotices
    | SwitchNotices
    | SetQuietHours
    | ShowUpgrade
)
"""What looks after the account, and moves no money."""

Command = (
    Open
    | Balance
    | SetPassword
    | TopUp
    | Recharge
    | TopUpFromCard
    | ListCards
    | UnbindCard
    | BuyProduct
    | PayMerchant
    | Transfer
    | Withdraw
    | Confirm
    | Cancel
    | AccountCommand
    | Help
)
