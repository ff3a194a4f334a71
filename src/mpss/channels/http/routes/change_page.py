"""The page behind a link that an SMS asked for: release a freeze, lift a loss report, wake or close the account.

It asks for the payment password and works without script. Spec: CT 5.2; CM 5.2.3.1, 5.2.10, 7.7. Decision: ADR-0030.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.dormancy import wake
from mpss.accounts.freeze import unfreeze_by_user
from mpss.accounts.links import CHANGE_PATH, find_change
from mpss.accounts.loss import lift_loss
from mpss.accounts.proven import Proofs
from mpss.accounts.state import Operation
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, PaymentPassword
from mpss.channels.http.forms import form_fields, sane_token
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.pages import HTML, page
from mpss.channels.http.problems import status_of, title_of
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.transactions.closings.choices import Choice, closing_choices
from mpss.transactions.closings.close import close_account
from mpss.transactions.closings.model import Payout

SUBJECT = Subject("Account")

# Whatever a person's phone made of the link is answered with a page.
ChangeToken = Annotated[str, Path(description="as it stands in the link")]

_TITLES = {
    Operation.UNFREEZE: {"zh-CN": "解除账户冻结", "en": "Release your freeze"},
    Operation.LIFT_LOSS: {"zh-CN": "解除挂失", "en": "Lift your loss report"},
    Operation.WAKE: {"zh-CN": "恢复使用账户", "en": "Wake your wallet"},
    Operation.CLOSE: {"zh-CN": "注销账户", "en": "Close your wallet"},
}
_COMMANDS = {Operation.UNFREEZE: "JD", Operation.LIFT_LOSS: "JG", Operation.WAKE: "HX", Operation.CLOSE: "XH"}
_WORDS = {
    "zh-CN": {
        "problem": "有误：",
        "hint": "请输入支付密码。",
        "closing": "注销后账户不能恢复。",
        "payout": "余额转入",
        "bill": "本机话费账户",
        "password": "支付密码",
        "submit": "确认",
        "done": "已办理。",
        "after": "我们已发送短信通知，您可以关闭本页。切勿将支付密码告诉任何人。",
        "another": "链接只能使用一次，并会过期。发送短信 {command} 到 {number}，即可获取新链接。",
        "expired": "此链接已失效。",
        "wrong": "支付密码有误，请重新输入。",
        "form": "支付密码应为六位数字，请重新输入。",
        "choose": "请选择余额转入的账户。",
        "title": "变更账户",
    },
    "en": {
        "problem": "Problem: ",
        "hint": "Enter your payment password.",
        "closing": "A closed wallet cannot be opened again.",
        "payout": "Pay the rest to",
        "bill": "the phone bill of this number",
        "password": "Payment password",
        "submit": "Confirm",
        "done": "It is done.",
        "after": "We have sent you an SMS; you can close this page. Never tell anybody your password.",
        "another": "A link works once and runs out. Send {command} by SMS to {number} for a new one.",
        "expired": "This link no longer works.",
        "wrong": "The payment password is wrong. Enter it again.",
        "form": "A payment password has six digits. Enter it again.",
        "choose": "Choose where the rest is paid to.",
        "title": "Change your wallet",
    },
}


class ChangeForm(Body):
    password: PaymentPassword
    payout: Annotated[str, Field(max_length=40, description="of a closing with a balance", examples=[""])] = ""


class _Form(NamedTuple):
    """What the link is for; `choices` are of where a closed account's rest goes."""

    account_id: UUID
    operation: Operation
    choices: list[Choice]


@SUBJECT.operation(
    "GET",
    CHANGE_PATH + "{token}",
    summary="The page behind a link that changes the account",
    access=Access.OPEN,
    says={
        200: Said("The form", media_type=HTML),
        403: Said("The link no longer holds", media_type=HTML),
        409: Said("Something stands in the way of the closing", media_type=HTML),
    },
    clauses=("CT 5.2",),
)
async def show_change_form(request: Request, token: ChangeToken) -> Response:
    """A form that works without script. Looking at it does not use the link up."""
    told = exchange(request)
    try:
        return _show(told, await _form(told, token), form=True)
    except Refused as problem:
        return _ended(told, None, problem.code)


@SUBJECT.operation(
    "POST",
    CHANGE_PATH + "{token}",
    summary="The form behind a link that changes the account",
    access=Access.OPEN,
    says={
        200: Said("It is done", media_type=HTML),
        403: Said("The link no longer holds, the password is wrong, or it is refused", media_type=HTML),
        409: Said("The state does not allow it", media_type=HTML),
        422: Said("The form is not well filled in: the form again", media_type=HTML),
    },
    form=ChangeForm,
    clauses=("CT 5.2", "CT 12.1"),
)
async def submit_change_form(request: Request, token: ChangeToken) -> Response:
    """The link stands in for the SMS code. A wrong password is counted, and leaves the link as it was."""
    told = exchange(request)
    found = None
    try:
        found = await _form(told, token)
        fields = form_fields(await request.body())
        await _carry_out(told, found, sane_token(token), fields.get("password", ""), fields.get("payout", ""))
    except MalformedField as problem:
        return _show(told, found, "choose" if problem.field == "payout" else "form", form=True, status=422)
    except Refused as problem:
        return _ended(told, found, problem.code)
    told.context.sessions.forget_account(found.account_id)
    return _show(told, found)


async def _carry_out(told: Exchange, found: _Form, token: str, password: str, payout: str) -> None:
    proofs = Proofs(password, "", f"http:{told.source}", token)
    match found.operation:
        case Operation.UNFREEZE:
            await unfreeze_by_user(told.runtime, account_id=found.account_id, proofs=proofs)
        case Operation.LIFT_LOSS:
            await lift_loss(told.runtime, account_id=found.account_id, proofs=proofs)
        case Operation.WAKE:
            await wake(told.runtime, account_id=found.account_id, proofs=proofs)
        case _:
            chosen = next((choice for choice in found.choices if choice.key == (payout or Payout.NONE)), None)
            if chosen is None:
                raise MalformedField(field="payout", problem="must be one of those of the form")
            card_id = None if chosen.card is None else chosen.card.id
            await close_account(
                told.runtime, account_id=found.account_id, payout=chosen.payout, card_id=card_id, proofs=proofs
            )


async def _form(told: Exchange, token: str) -> _Form:
    account_id, operation = await find_change(told.runtime, token=sane_token(token))
    choices: list[Choice] = []
    if operation is Operation.CLOSE:
        _, choices = await closing_choices(told.runtime, account_id=account_id)
        if not choices:
            raise Refused(ErrorCode.CLOSING_BLOCKED)
    return _Form(account_id, operation, choices)


def _ended(told: Exchange, found: _Form | None, code: ErrorCode) -> Response:
    match code:
        case ErrorCode.WRONG_PASSWORD:
            return _show(told, found, "wrong", form=True, status=403)
        case ErrorCode.CODE_EXPIRED:
            return _show(told, found, "expired", status=403)
        case _:
            return _show(told, found, text=title_of(code, told.language), status=409 if status_of(code) == 409 else 403)


def _named(choices: list[Choice], bill: str) -> list[tuple[str, str]]:
    """The key and the name of each choice; none where nothing is to be paid out."""
    return [
        (choice.key, bill if choice.card is None else f"{choice.card.bank_name} {choice.card.masked}")
        for choice in choices
        if choice.payout is not Payout.NONE
    ]


def _show(
    told: Exchange, found: _Form | None, problem: str = "", *, text: str = "", form: bool = False, status: int = 200
) -> Response:
    """The page: `problem` names a text of ours, `text` is one; without a form it is the end."""
    words = dict(_WORDS[told.language])
    command = " / ".join(_COMMANDS.values()) if found is None else _COMMANDS[found.operation]
    words["another"] = words["another"].format(command=command, number=told.runtime.settings.sms_number)
    if found is not None:
        words["title"] = _TITLES[found.operation][told.language]
    values = {
        "words": words,
        "problem": words[problem] if problem else text,
        "form": form and found is not None,
        "closing": found is not None and found.operation is Operation.CLOSE,
        "choices": [] if found is None else _named(found.choices, words["bill"]),
    }
    return page("confirm_change.html", values, language=told.language, status=status)
