"""What BOSS answers of a subscription against what we have of it: events that were missed, and questions. Pure.

Our side is read before BOSS is asked, so BOSS is never behind us but by an error. Within an aspect BOSS's higher
sequence is an event that we missed; the same sequence and another value is a question to people.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from mpss.accounts.boss_status import BossKind
from mpss.ports.boss import BossEvent, Compared, NoSubscriber, Subscriber


class QuestionKind(StrEnum):
    """What no event explains."""

    NO_SUBSCRIPTION = "no_subscription"
    STATUS_DIFFERS = "status_differs"
    NUMBER_DIFFERS = "number_differs"
    CARD_DIFFERS = "card_differs"
    BOSS_BEHIND = "boss_behind"
    NUMBER_TAKEN = "number_taken"


QUESTIONS: dict[QuestionKind, str] = {
    QuestionKind.NO_SUBSCRIPTION: "BOSS knows neither the account's subscription nor anybody under its number",
    QuestionKind.STATUS_DIFFERS: "the status differs, and no event is missing",
    QuestionKind.NUMBER_DIFFERS: "the number differs, and no event is missing",
    QuestionKind.CARD_DIFFERS: "the card (SIM) differs, and no event is missing",
    QuestionKind.BOSS_BEHIND: "BOSS has forgotten events that it told us of",
    QuestionKind.NUMBER_TAKEN: "the number the account is to have is another account's",
}


class Link(NamedTuple):
    """An account and the subscription it belongs to; `subscription_id` "" where it belongs to none yet."""

    account_id: UUID
    phone: str
    opened_at: datetime
    subscription_id: str = ""
    owner: str = ""
    boss_status: str = "active"
    sim_serial: str = ""
    status_sequence: int = 0
    number_sequence: int = 0
    card_sequence: int = 0


class Compare(NamedTuple):
    """An aspect of a subscription. `kind` is the event that would bring ours to BOSS's."""

    kind: BossKind
    question: QuestionKind
    ours: str
    theirs: str
    our_sequence: int
    their_sequence: int

    @property
    def behind(self) -> bool:
        return self.their_sequence < self.our_sequence


class Question(NamedTuple):
    kind: QuestionKind
    ours: str
    theirs: str


class Findings(NamedTuple):
    """`binds`: the account belongs to the subscription from now on. `agreed` has the sequences both sides agree on.

    `parts`: the number was sold again since the account was opened, so it is another's.
    """

    binds: bool = False
    missed: tuple[BossEvent, ...] = ()
    questions: tuple[Question, ...] = ()
    agreed: tuple[int, int, int] = (0, 0, 0)
    parts: bool = False


_STATUS_KINDS = {"active": BossKind.RESUME, "stopped_1way": BossKind.STOP_1WAY, "stopped_2way": BossKind.STOP_2WAY}


def question_of(link: Link) -> Compared:
    """What BOSS is asked of the account."""
    return Compared(link.subscription_id, link.phone)


def findings(link: Link, answer: Subscriber | NoSubscriber, *, now: datetime) -> Findings:
    """What the answer comes to."""
    if isinstance(answer, NoSubscriber):
        return Findings(questions=(Question(QuestionKind.NO_SUBSCRIPTION, link.subscription_id or link.phone, ""),))
    binds = not link.subscription_id
    if binds and answer.since > link.opened_at:
        # Whoever opened the account had the number before this subscription began: it was sold again.
        return Findings(parts=True)
    if answer.status == "cancelled":
        return Findings(binds, (_missed(link, BossKind.CANCEL_SYSTEM, answer, max(1, answer.end_sequence), now),))
    if answer.status == "transferred" or (link.owner and answer.owner != link.owner):
        return Findings(binds, (_missed(link, BossKind.TRANSFER_OWNER, answer, max(1, answer.end_sequence), now),))
    missed, questions, agreed = [], [], []
    for each in aspects_of(link, answer):
        if each.behind:
            ours, theirs = f"{each.kind} {each.our_sequence}", f"{each.kind} {each.their_sequence}"
            questions.append(Question(QuestionKind.BOSS_BEHIND, ours, theirs))
        elif each.ours != each.theirs and each.their_sequence == each.our_sequence:
            questions.append(Question(each.question, each.ours, each.theirs))
        elif each.ours != each.theirs:
            missed.append(_missed(link, each.kind, answer, each.their_sequence, now))
        agreed.append(each.their_sequence if each.ours == each.theirs else 0)
    return Findings(
        binds, tuple(missed), tuple({each.kind: each for each in questions}.values()), (agreed[0], agreed[1], agreed[2])
    )


def aspects_of(link: Link, answer: Subscriber) -> tuple[Compare, Compare, Compare]:
    """Status, number and card of a subscription that stands, as both sides have them."""
    card = link.sim_serial or answer.sim_serial
    return (
        Compare(
            _STATUS_KINDS[answer.status], QuestionKind.STATUS_DIFFERS, link.boss_status, answer.status,
            link.status_sequence, answer.status_sequence,
        ),
        Compare(
            BossKind.CHANGE_NUMBER, QuestionKind.NUMBER_DIFFERS, link.phone, answer.phone,
            link.number_sequence, answer.number_sequence,
        ),
        Compare(
            BossKind.SIM_SWAP, QuestionKind.CARD_DIFFERS, card, answer.sim_serial,
            link.card_sequence, answer.card_sequence,
        ),
    )  # fmt: skip


def _missed(link: Link, kind: BossKind, answer: Subscriber, sequence: int, now: datetime) -> BossEvent:
    # The same finding has the same id, so that it takes effect once.
    return event_of(link, kind, answer, sequence, event_id=f"found:{link.account_id}:{kind}:{sequence}", now=now)


def event_of(
    link: Link, kind: BossKind, answer: Subscriber, sequence: int, *, event_id: str, now: datetime
) -> BossEvent:
    """The event that brings our side to BOSS's."""
    return BossEvent(
        event_id, kind.value, link.phone, link.subscription_id or answer.subscription_id, sequence, now,
        answer.phone if kind is BossKind.CHANGE_NUMBER else None,
        answer.sim_serial if kind is BossKind.SIM_SWAP else None,
    )  # fmt: skip
