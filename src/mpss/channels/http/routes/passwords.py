"""The payment password: changed, reset, unlocked; set by a one-time link, on a page or by JSON. Spec: CT 5.2."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.links import PATH, find_link
from mpss.accounts.password import change, set_by_code, set_by_link, unlock
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, PaymentPassword, Phone, SmsCode
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.pages import page
from mpss.channels.http.problems import status_of, title_of
from mpss.kernel.errors import ErrorCode, MalformedField, Refused

SUBJECT = Subject("Password")

HTML = "text/html"
_LONGEST_FORM = 1024

Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{8,100}$", description="as it stands in the link")]

_WORDS = {
    "zh-CN": {
        "title": "设置支付密码",
        "hint": "请输入六位数字,不要使用生日、连续或重复的数字。",
        "password": "支付密码",
        "again": "再次输入",
        "submit": "确定",
        "done": "支付密码已设置。",
        "differ": "两次输入不一致。",
        "form": "支付密码为六位数字。",
    },
    "en": {
        "title": "Set your payment password",
        "hint": "Six digits; no birthday, no runs, no repeated digits.",
        "password": "Payment password",
        "again": "Once more",
        "submit": "Set it",
        "done": "Your payment password is set.",
        "differ": "The two are not the same.",
        "form": "A payment password has six digits.",
    },
}


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


class LinkForm(Body):
    password: PaymentPassword
    again: PaymentPassword


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
    await _set(told, token, body.password)
    return Response(status_code=204)


@SUBJECT.operation(
    "GET",
    PATH + "{token}",
    summary="The page behind a one-time link",
    access=Access.OPEN,
    says={200: Said("The form", media_type=HTML), 403: Said("The link no longer holds", media_type=HTML)},
    clauses=("CT 5.2", "CM 7.4"),
)
async def show_password_form(request: Request, token: Token) -> Response:
    """A form that works without script. Looking at it does not use the link up."""
    told = exchange(request)
    try:
        await find_link(told.runtime, token=token)
    except Refused as problem:
        return _show(told, problem.code, form=False)
    return _show(told)


@SUBJECT.operation(
    "POST",
    PATH + "{token}",
    summary="The form behind a one-time link",
    access=Access.OPEN,
    says={
        200: Said("The password is set", media_type=HTML),
        403: Said("The link no longer holds", media_type=HTML),
        422: Said("The password is weak, or the two are not the same: the form again", media_type=HTML),
    },
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    form=LinkForm,
    clauses=("CT 5.2", "CM 7.4"),
)
async def submit_password_form(request: Request, token: Token) -> Response:
    """What the page sends. The token in the address is the proof; there is no cookie that another site could use."""
    told = exchange(request)
    words = _WORDS[told.language]
    fields = _fields(await request.body())
    password = fields.get("password", "")
    if password != fields.get("again"):
        return _form_again(told, words["differ"])
    try:
        await _set(told, token, password)
    except MalformedField:
        return _form_again(told, words["form"])
    except Refused as problem:
        return _show(told, problem.code, form=problem.code is ErrorCode.WEAK_PASSWORD)
    return page(
        "set_password.html", {"words": words, "problem": "", "form": False}, language=told.language
    )  # fmt: skip


async def _set(told: Exchange, token: str, password: str) -> None:
    account_id = await find_link(told.runtime, token=token)
    await set_by_link(told.runtime, token=token, password=password)
    told.context.sessions.forget_account(account_id)


def _fields(body: bytes) -> dict[str, str]:
    """The fields of a form, each once.

    Raises:
        MalformedField: it is no form of ours.
    """
    try:
        pairs = parse_qs(body[: _LONGEST_FORM + 1].decode("ascii"), strict_parsing=True, max_num_fields=8)
    except ValueError:
        pairs = {}
    if len(body) > _LONGEST_FORM or not pairs or any(len(values) != 1 for values in pairs.values()):
        raise MalformedField(field="", problem="must be the form's fields, each once")
    return {name: values[0] for name, values in pairs.items()}


def _form_again(told: Exchange, problem: str) -> Response:
    values = {"words": _WORDS[told.language], "problem": problem, "form": True}
    return page("set_password.html", values, language=told.language, status=422)


def _show(told: Exchange, code: ErrorCode | None = None, *, form: bool = True) -> Response:
    problem = "" if code is None else title_of(code, told.language)
    values = {"words": _WORDS[told.language], "problem": problem, "form": form}
    return page("set_password.html", values, language=told.language, status=200 if code is None else status_of(code))
