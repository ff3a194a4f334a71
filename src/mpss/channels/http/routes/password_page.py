"""The page behind a one-time link, where a person sets the payment password; it works without script. Spec: CT 5.2."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.holder_proof import TAIL, asks_holder
from mpss.accounts.links import PATH, find_link
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, PaymentPassword
from mpss.channels.http.forms import form_fields, sane_token
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.pages import HTML, page
from mpss.channels.http.problems import status_of, title_of
from mpss.channels.http.routes.passwords import IdentityTail, set_with_link
from mpss.kernel.errors import ErrorCode, MalformedField, Refused

SUBJECT = Subject("Password")

# Whatever a person's phone made of the link is answered with a page.
Token = Annotated[str, Path(description="as it stands in the link")]

_WORDS = {
    "zh-CN": {
        "title": "设置支付密码",
        "problem": "有误：",
        "hint": "请输入六位数字。不要使用生日、本机号码的一部分、连续或重复的数字。",
        "password": "支付密码",
        "again": "再次输入支付密码",
        "submit": "设置密码",
        "done": "支付密码已设置。",
        "after": "我们已发送短信确认，您可以关闭本页。切勿将支付密码告诉任何人。",
        "another": "链接只能使用一次，并会过期。发送短信 MM 到 {number}，即可获取新链接。",
        "expired": "此链接已失效。",
        "differ": "两次输入不一致，请重新输入。",
        "form": "支付密码应为六位数字，请重新输入。",
        "weak": "这个密码容易被猜到，请换一个。",
        "reused": "这个密码近期用过，请换一个。",
        "tail": "登记证件号码后六位",
        "tail_hint": "您的账户已实名，重设支付密码须核对证件号码后六位（字母、数字）。",
        "mismatch": "证件号码后六位不符，请重新输入。",
    },
    "en": {
        "title": "Set your payment password",
        "problem": "Problem: ",
        "hint": "Six digits; no birthday, no part of your number, no runs or repeated digits.",
        "password": "Payment password",
        "again": "Payment password once more",
        "submit": "Set password",
        "done": "Your payment password is set.",
        "after": "We have sent you an SMS to confirm it; you can close this page. Never tell anybody your password.",
        "another": "A link works once and runs out. Send MM by SMS to {number} for a new one.",
        "expired": "This link no longer works.",
        "differ": "The two are not the same. Enter both again.",
        "form": "A payment password has six digits. Enter it again.",
        "weak": "This password is easily guessed. Choose another one.",
        "reused": "You used this password lately. Choose another one.",
        "tail": "Last six characters of your document's number",
        "tail_hint": "Your account is in your real name: the last six letters and digits of your document's number.",
        "mismatch": "These are not the last six of your document's number. Enter them again.",
    },
}


class LinkForm(Body):
    password: PaymentPassword
    again: PaymentPassword
    identity_tail: IdentityTail | None = None


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
        tail = await _asks(told, token)
    except Refused as problem:
        return _refused(told, problem.code)
    return _show(told, form=True, tail=tail)


@SUBJECT.operation(
    "POST",
    PATH + "{token}",
    summary="The form behind a one-time link",
    access=Access.OPEN,
    says={
        200: Said("The password is set", media_type=HTML),
        403: Said("The link no longer holds", media_type=HTML),
        409: Said("The end of the document's number is another: the form again", media_type=HTML),
        422: Said("The password will not do, or the two are not the same: the form again", media_type=HTML),
    },
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    form=LinkForm,
    clauses=("CT 5.2", "CM 7.4"),
)
async def submit_password_form(request: Request, token: Token) -> Response:
    """What the page sends. The token in the address is the proof; there is no cookie that another site could use."""
    told = exchange(request)
    fields = form_fields(await request.body())
    password, tail = fields.get("password", ""), False
    try:
        tail = await _asks(told, token)
        if password != fields.get("again"):
            return _show(told, "differ", form=True, tail=tail, status=422)
        typed = fields.get("identity_tail", "").strip()[:TAIL] if tail else None
        await set_with_link(told, sane_token(token), password, typed)
    except MalformedField:
        return _show(told, "form", form=True, tail=tail, status=422)
    except Refused as problem:
        return _refused(told, problem.code, tail=tail)
    return _show(told)


async def _asks(told: Exchange, token: str) -> bool:
    """Whether the form asks for the end of the document's number.

    Raises:
        Refused: CODE_EXPIRED.
    """
    account_id = await find_link(told.runtime, token=sane_token(token))
    return await asks_holder(told.runtime, account_id=account_id)


def _refused(told: Exchange, code: ErrorCode, *, tail: bool = False) -> Response:
    match code:
        case ErrorCode.WEAK_PASSWORD:
            return _show(told, "weak", form=True, tail=tail, status=status_of(code))
        case ErrorCode.PASSWORD_REUSED:
            return _show(told, "reused", form=True, tail=tail, status=status_of(code))
        case ErrorCode.IDENTITY_MISMATCH:
            return _show(told, "mismatch", form=True, tail=tail, status=status_of(code))
        case ErrorCode.CODE_EXPIRED:
            return _show(told, "expired", status=status_of(code))
        case _:
            return _show(told, text=title_of(code, told.language), status=status_of(code))


def _show(
    told: Exchange, problem: str = "", *, text: str = "", form: bool = False, tail: bool = False, status: int = 200
) -> Response:
    """The page: `problem` names a text of ours, `text` is one; without a form it is the end."""
    words = dict(_WORDS[told.language])
    words["another"] = words["another"].format(number=told.runtime.settings.sms_number)
    values = {"words": words, "problem": words[problem] if problem else text, "form": form, "tail": tail}
    return page("set_password.html", values, language=told.language, status=status)
