"""The payment password: changed, reset, unlocked; set by a one-time link. Spec: CT 5.2."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.links import find_link
from mpss.accounts.password import change, set_by_code, set_by_link, unlock
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, PaymentPassword, Phone, SmsCode
from mpss.channels.http.operation import Said, Subject
from mpss.kernel.errors import ErrorCode

SUBJECT = Subject("Password")

Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{8,100}$", description="as it stands in the link")]


class ChangeBody(Body):
    old_password: PaymentPassword
    new_password: PaymentPassword = Field(examples=["630284"])


class ResetBody(Body):
    phone: Phone
    code: SmsCode = Field(description="a `set_password` code sent to the phone")
    password: PaymentPassword


class UnlockBody(Body):
    phone: Phone
    code: SmsCode = Field(description="an `unlock` code sent to the phone")


class LinkBody(Body):
    password: PaymentPassword


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
        ErrorCode.WRONG_PASSWORD,
        ErrorCode.PASSWORD_LOCKED,
        ErrorCode.CHALLENGE_REQUIRED,
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
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.WEAK_PASSWORD, ErrorCode.WRONG_CODE, ErrorCode.CODE_EXPIRED),
    clauses=("CT 5.2", "CM 7.4", "CM 7.5"),
)
async def reset_password(request: Request, body: ResetBody) -> Response:
    """For a password that was forgotten, locked or never set."""
    told = exchange(request)
    await set_by_code(told.runtime, phone=body.phone, code=body.code, password=body.password)
    told.context.sessions.forget_phone(body.phone)
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/account/password/unlock",
    summary="Release a day's lock by an SMS code",
    access=Access.OPEN,
    says={204: Said("Released; the password stays")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.PASSWORD_LOCKED, ErrorCode.WRONG_CODE, ErrorCode.CODE_EXPIRED),
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
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.WEAK_PASSWORD, ErrorCode.CODE_EXPIRED),
    clauses=("CT 5.2", "CM 7.4"),
)
async def set_password_by_link(request: Request, token: Token, body: LinkBody) -> Response:
    """For a program; a person follows the link to a page. A weak password leaves the link as it was."""
    told = exchange(request)
    await set_with_link(told, token, body.password)
    return Response(status_code=204)


async def set_with_link(told: Exchange, token: str, password: str) -> None:
    """Set the password, and forget the sessions that end with it."""
    account_id = await find_link(told.runtime, token=token)
    await set_by_link(told.runtime, token=token, password=password)
    told.context.sessions.forget_account(account_id)
