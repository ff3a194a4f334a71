"""What a subscriber wants to be told by SMS. Spec: CM 5.5, 8.2.2; CT 5.4."""

from __future__ import annotations

from datetime import time
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.preferences import Wishes, read_wishes, set_wishes
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.routes.sign_in import Language
from mpss.channels.http.views import reply
from mpss.kernel.errors import ErrorCode
from mpss.notices.preference_model import Group, Preferences

SUBJECT = Subject("Account")

_Switch = Annotated[bool, Field(strict=True, examples=[True])]
_ClockTime = Annotated[
    str,
    Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5, description="Asia/Shanghai", examples=["22:00"]),
]


class WantedBody(Body):
    money_in: _Switch = Field(description="top-ups and transfers that came in")
    money_back: _Switch = Field(description="reversals, refunds, transfers that came back")
    settings: _Switch = Field(description="limits and payees that were changed")


class PreferencesBody(Body):
    language: Language = Field(description="of our SMS", examples=["zh-CN"])
    notices: WantedBody = Field(
        description="those that can be done without",
        examples=[{"money_in": True, "money_back": True, "settings": False}],
    )
    quiet_from: _ClockTime | None = Field(default=None, description="null: no quiet hours", examples=["22:00"])
    quiet_to: _ClockTime | None = Field(default=None, examples=["07:30"])


class WantedView(View):
    money_in: bool = Field(examples=[True])
    money_back: bool = Field(examples=[True])
    settings: bool = Field(examples=[False])


class PreferencesView(View):
    language: str = Field(examples=["zh-CN"])
    notices: WantedView
    quiet_from: str | None = Field(description="from when only what is urgent is sent", examples=["22:00"])
    quiet_to: str | None = Field(examples=["07:30"])


@SUBJECT.operation(
    "GET",
    "/v1/account/preferences",
    summary="Read one's preferences",
    access=Access.SUBSCRIBER,
    says={200: Said("The preferences", PreferencesView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 5.5", "CM 8.2.2"),
)
async def read_preferences(request: Request) -> Response:
    """Language, notices and quiet hours."""
    return await _shown(exchange(request))


@SUBJECT.operation(
    "PUT",
    "/v1/account/preferences",
    summary="Set one's preferences",
    access=Access.SUBSCRIBER,
    says={200: Said("The preferences as they are now", PreferencesView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 5.5", "CM 8.2.2", "CT 5.4"),
)
async def set_preferences(request: Request, body: PreferencesBody) -> Response:
    """Replaces them all. Money that goes out, passwords, locks, loss and freezes are always told, and at once."""
    told = exchange(request)
    switches = {
        Group.MONEY_IN: body.notices.money_in,
        Group.MONEY_BACK: body.notices.money_back,
        Group.SETTINGS: body.notices.settings,
    }
    preferences = Preferences(
        frozenset(group for group, on in switches.items() if not on), _time(body.quiet_from), _time(body.quiet_to)
    )
    await set_wishes(told.runtime, account_id=told.account_id, wishes=Wishes(body.language, preferences))
    return await _shown(told)


async def _shown(told: Exchange) -> Response:
    wishes = await read_wishes(told.runtime, account_id=told.account_id)
    unwanted = wishes.preferences.unwanted
    view = PreferencesView(
        language=wishes.language,
        notices=WantedView(
            money_in=Group.MONEY_IN not in unwanted,
            money_back=Group.MONEY_BACK not in unwanted,
            settings=Group.SETTINGS not in unwanted,
        ),
        quiet_from=_text(wishes.preferences.quiet_from),
        quiet_to=_text(wishes.preferences.quiet_to),
    )
    return reply(view)


def _time(text: str | None) -> time | None:
    return None if text is None else time.fromisoformat(text)


def _text(at: time | None) -> str | None:
    return None if at is None else f"{at:%H:%M}"
