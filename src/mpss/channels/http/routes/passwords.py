"""The payment password: changed, reset, unlocked; set by a one-time link. Spec: CT 5.2."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.links import find_link
from mpss.accounts.login_password import set_login_password
from mpss.accounts.password import change, set_by_code, set_by_link, unlock
from mpss.accounts.password_at_counter import reset_at_counter
from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, LoginPassword, PaymentPassword, Phone, SmsCode
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.routes.shown import SHOWN_ERRORS, CustomerShownBody
from mpss.kernel.errors import ErrorCode
from mpss.staff.permissions import Permission

SUBJECT = Subject("Password")
STAFF = Subject("Staff")

Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{8,100}$", description="as it stands in the link")]


class ChangeBody(Body):
    old_password: PaymentPassword
    new_password: PaymentPassword = Field(examples=["630284"])


IdentityTail = Annotated[
    str,
    Field(
        pattern=r"^[0-9A-Za-z]{6}$",
        max_length=6,
        description="the last six letters and digits of the document's number; asked of a real-name account",
        examples=["010071"],
    ),
]


class ResetBody(Body):
    phone: Phone
    code: SmsCode = Field(description="a `set_password` code sent to the phone")
    password: PaymentPassword
    identity_tail: IdentityTail | None = None


class UnlockBody(Body):
    phone: Phone
    code: SmsCode = Field(description="an `unlock` code sent to the phone")


class LoginPasswordBody(Body):
    code: SmsCode = Field(description="a `login_password` code sent to the phone")
    password: LoginPassword


class LinkBody(Body):
    password: PaymentPassword
    identity_tail: IdentityTail | None = None


@SUBJECT.operation(
    "PUT",
    "/v1/account/password",
    summary="Change the payment password",
    access=Access.SUBSCRIBER,
    says={204: Said("Changed; other sessions of the account have ended")},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        ErrorCode.PASSWORD_NOT_SET,
        ErrorCode.WEAK_PASSWORD,
        ErrorCode.PASSWORD_REUSED,
        ErrorCode.WRONG_PASSWORD,
        ErrorCode.PASSWORD_LOCKED,
        ErrorCode.CHALLENGE_REQUIRED,
        *refusals_of(Operation.SET_PASSWORD),
    ),
    clauses=("CT 5.2", "CM 7.4"),
)
async def change_password(request: Request, body: ChangeBody) -> Response:
    """With the old one; a wrong old one is counted as in a purchase."""
    told = exchange(request)
    await change(
        told.runtime,
        session=told.session,
        old_password=body.old_password,
        new_password=body.new_password,
        source=f"http:{told.source}",
    )
    told.context.sessions.forget_account(told.account_id)
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/account/password/reset",
    summary="Set or reset the payment password by an SMS code",
    access=Access.OPEN,
    says={204: Said("Set; the lock is off, and the account's sessions have ended")},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.SET_PASSWORD),
        ErrorCode.SIM_COOLING,
        ErrorCode.WEAK_PASSWORD,
        ErrorCode.PASSWORD_REUSED,
        ErrorCode.WRONG_CODE,
        ErrorCode.CODE_EXPIRED,
        ErrorCode.IDENTITY_REQUIRED,
        ErrorCode.IDENTITY_MISMATCH,
    ),
    clauses=("CT 5.2", "CM 7.4", "CM 7.5"),
)
async def reset_password(request: Request, body: ResetBody) -> Response:
    """For a password that was forgotten, locked or never set.

    A real-name account asks for `identity_tail` beside the code: `identity_required` without it. A few wrong ones in a
    day, and only a service hall resets until the next; nor for a while after another SIM card or number does a code.
    """
    told = exchange(request)
    await set_by_code(
        told.runtime, phone=body.phone, code=body.code, password=body.password, identity_tail=body.identity_tail
    )
    told.context.sessions.forget_phone(body.phone)
    return Response(status_code=204)


@SUBJECT.operation(
    "PUT",
    "/v1/account/login-password",
    summary="Set the login password",
    access=Access.SUBSCRIBER,
    says={204: Said("Set; other sessions of the account have ended")},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        ErrorCode.WEAK_PASSWORD,
        ErrorCode.WRONG_CODE,
        ErrorCode.CODE_EXPIRED,
        *refusals_of(Operation.SET_PASSWORD),
        ErrorCode.SIM_COOLING,
    ),
    clauses=("CM 7.4", "CM 8.2.3", "CT 12.1"),
)
async def set_own_login_password(request: Request, body: LoginPasswordBody) -> Response:
    """Sets or replaces the password one signs in with, by a code; it is apart from the payment password."""
    told = exchange(request)
    await set_login_password(told.runtime, session=told.session, code=body.code, password=body.password)
    told.context.sessions.forget_account(told.account_id)
    return Response(status_code=204)


@STAFF.operation(
    "POST",
    "/v1/staff/passwords/reset",
    summary="Reset a customer's payment password",
    access=Access.STAFF,
    permission=Permission.PASSWORD_RESET,
    says={204: Said("The password is gone, and a link for a new one is on its way to the phone")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, *SHOWN_ERRORS),
    clauses=("CM 7.5", "CM 8.2.3"),
)
async def reset_for_customer(request: Request, body: CustomerShownBody) -> Response:
    """For the clerk of a service hall, who has looked at the customer's identity document.

    Nothing can be paid until the customer has set a new password by the link; the clerk never learns one.
    """
    told = exchange(request)
    account_id = await reset_at_counter(told.runtime, staff=told.staff, phone=body.phone, shown=body.shown())
    told.context.sessions.forget_account(account_id)
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/account/password/unlock",
    summary="Release a day's lock by an SMS code",
    access=Access.OPEN,
    says={204: Said("Released; the password stays")},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        ErrorCode.PASSWORD_LOCKED,
        ErrorCode.WRONG_CODE,
        ErrorCode.CODE_EXPIRED,
        *refusals_of(Operation.SET_PASSWORD),
        ErrorCode.SIM_COOLING,
    ),
    clauses=("CT 5.2", "CM 7.5"),
)
async def unlock_password(request: Request, body: UnlockBody) -> Response:
    """After too many wrong tries in a day. After too many in a row only a reset helps."""
    await unlock(exchange(request).runtime, phone=body.phone, code=body.code)
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/password-links/{token}",
    summary="Set the payment password by a one-time link",
    access=Access.OPEN,
    says={204: Said("Set; the link is used up")},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.SET_PASSWORD),
        ErrorCode.SIM_COOLING,
        ErrorCode.WEAK_PASSWORD,
        ErrorCode.PASSWORD_REUSED,
        ErrorCode.CODE_EXPIRED,
        ErrorCode.IDENTITY_REQUIRED,
        ErrorCode.IDENTITY_MISMATCH,
    ),
    clauses=("CT 5.2", "CM 7.4"),
)
async def set_password_by_link(request: Request, token: Token, body: LinkBody) -> Response:
    """For a program; a person follows the link to a page. A weak password leaves the link as it was."""
    told = exchange(request)
    await set_with_link(told, token, body.password, body.identity_tail)
    return Response(status_code=204)


async def set_with_link(told: Exchange, token: str, password: str, identity_tail: str | None) -> None:
    """Set the password, and forget the sessions that end with it."""
    account_id = await find_link(told.runtime, token=token)
    await set_by_link(told.runtime, token=token, password=password, identity_tail=identity_tail)
    told.context.sessions.forget_account(account_id)
