"""SMS codes and sessions. Spec: CT 12.1."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.codes import Purpose, request_code
from mpss.accounts.login_password import sign_in_by_password
from mpss.accounts.sign_in import SignedIn, sign_in, sign_out
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, LoginPassword, Phone, SmsCode, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.views import ACCOUNT_EXAMPLE, AT_EXAMPLE, reply
from mpss.kernel.errors import ErrorCode

SUBJECT = Subject("Sign-in")

Language = Literal["zh-CN", "en"]


class CodePurpose(StrEnum):
    """What the code is good for."""

    OPEN = "open"
    SIGN_IN = "sign_in"
    UNLOCK = "unlock"
    SET_PASSWORD = "set_password"  # noqa: S105 - a purpose
    LOGIN_PASSWORD = "login_password"  # noqa: S105
    CHALLENGE = "challenge"
    PAYEE = "payee"
    ACCOUNT = "account"


class CodeBody(Body):
    phone: Phone
    purpose: CodePurpose = Field(examples=["sign_in"])
    language: Language = Field(default="zh-CN", description="of the SMS", examples=["zh-CN"])


class CodeView(View):
    expires_at: datetime = Field(description="when the code runs out", examples=[AT_EXAMPLE])


class SessionBody(Body):
    phone: Phone
    code: SmsCode


class PasswordSessionBody(Body):
    phone: Phone
    password: LoginPassword


class SessionView(View):
    token: str = Field(
        description="shown this once; send it as `Authorization: Bearer`",
        examples=["ses_hvFPtRQQN2vYlX8pXkz0wUqjTgGZ4mQ1c7b9sEo5aRk"],
    )
    phone: str = Field(examples=["+8618912340001"])
    account_id: str | None = Field(description="null until the number has an account", examples=[ACCOUNT_EXAMPLE])
    expires_at: datetime = Field(examples=[AT_EXAMPLE])


def session_view(signed_in: SignedIn) -> SessionView:
    session = signed_in.session
    return SessionView(
        token=signed_in.token,
        phone=session.phone,
        account_id=None if session.account_id is None else str(session.account_id),
        expires_at=session.expires_at,
    )


@SUBJECT.operation(
    "POST",
    "/v1/codes",
    summary="Send an SMS code",
    access=Access.OPEN,
    says={202: Said("The code is on its way, if the number is one", CodeView)},
    errors=(ErrorCode.BLACKLISTED,),
    clauses=("CT 12.1",),
)
async def send_code(request: Request, body: CodeBody) -> Response:
    """Sends a six-digit code to the phone, whether or not it has an account.

    A newer code makes the older ones for the same purpose void. A number and an address may ask for so many an hour.
    """
    told = exchange(request)
    expires_at = await request_code(
        told.runtime,
        phone=body.phone,
        purpose=Purpose(body.purpose.value),
        source=f"http:{told.source}",
        language=body.language,
    )
    return reply(CodeView(expires_at=expires_at), 202)


@SUBJECT.operation(
    "POST",
    "/v1/sessions",
    summary="Sign in with an SMS code",
    access=Access.OPEN,
    says={201: Said("Signed in", SessionView)},
    errors=(ErrorCode.WRONG_CODE, ErrorCode.CODE_EXPIRED, ErrorCode.NUMBER_REASSIGNED, ErrorCode.BLACKLISTED),
    clauses=("CT 12.1",),
)
async def create_session(request: Request, body: SessionBody) -> Response:
    """Exchanges a `sign_in` code for a session token, whether or not the number has an account yet."""
    told = exchange(request)
    return reply(session_view(await sign_in(told.runtime, phone=body.phone, code=body.code)), 201)


@SUBJECT.operation(
    "POST",
    "/v1/sessions/password",
    summary="Sign in with the login password",
    access=Access.OPEN,
    says={201: Said("Signed in", SessionView)},
    errors=(ErrorCode.WRONG_PASSWORD, ErrorCode.NUMBER_REASSIGNED, ErrorCode.BLACKLISTED),
    clauses=("CT 12.1",),
)
async def create_session_by_password(request: Request, body: PasswordSessionBody) -> Response:
    """For a number with a login password. The answer is the same whether number, password or too many tries are why.

    After too many wrong ones signing in by password rests for a while, and its owner is told by SMS; a code still does.
    """
    told = exchange(request)
    return reply(session_view(await sign_in_by_password(told.runtime, phone=body.phone, password=body.password)), 201)


@SUBJECT.operation(
    "DELETE",
    "/v1/sessions/current",
    summary="Sign out",
    access=Access.SUBSCRIBER,
    says={204: Said("The session has ended")},
    clauses=("CT 12.1",),
)
async def end_session(request: Request) -> Response:
    """Ends the session whose token is sent."""
    told = exchange(request)
    await sign_out(told.runtime, told.session)
    told.context.sessions.forget(told.session)
    return Response(status_code=204)
