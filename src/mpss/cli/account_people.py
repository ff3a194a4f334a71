"""`mpss accounts open`, `upgrade` and `show`: who holds an account, over the flows of the HTTP API.

Names and document numbers never stand on the command line, where everybody on the machine sees them: they are read from
a JSON file, or from the standard input. What is shown is masked, and the look is audited.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from mpss.accounts.corporate import membership_of, open_corporate
from mpss.accounts.customer_model import CustomerKind, DocumentKind, ImageKind, Sex, Verification
from mpss.accounts.group_model import Membership
from mpss.accounts.identity import IdentityClaim, Image, parse_image
from mpss.accounts.open_at_counter import CounterAccount, open_at_counter
from mpss.accounts.queries import find_wallet_id
from mpss.accounts.upgrade import AccountIdentity, identity_at_counter, upgrade_at_counter
from mpss.cli.account_states import accounts_app as accounts_app
from mpss.cli.acting import as_platform, as_staff, say, show_table
from mpss.cli.options import DataOption, JsonOption
from mpss.kernel.clock import business_date
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.language import LANGUAGES
from mpss.kernel.money import Money
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime

_PhoneArgument = Annotated[str, typer.Argument(help="The account's number")]
_PapersOption = Annotated[
    str,
    typer.Option(
        "--papers",
        metavar="FILE",
        help='JSON: {"name", "document_kind", "document_number", "valid_until", "sex", "nationality", "occupation",'
        ' "address", "contact"}; - reads the standard input',
    ),
]
_ImagesOption = Annotated[
    list[str] | None, typer.Option("--image", metavar="KIND=FILE", help="front, back or licence; may be repeated")
]
_VerifiedOption = Annotated[
    list[Verification] | None, typer.Option("--verified", help="A channel that confirmed the name; may be repeated")
]
_LanguageOption = Annotated[str, typer.Option("--language", help="Of what is printed: zh-CN or en")]
_FIELDS = (
    "name", "document_number", "former_number", "valid_until", "nationality", "occupation", "address", "contact",
)  # fmt: skip
_WORDS = {
    "en": {
        "opened": "{phone} has an account of class {level}; its holder is sent a link to the first password.",
        "upgraded": "The account of {phone} is of class {level}.",
        "account_class": "class", "name": "name", "document_kind": "document", "document_number": "number",
        "valid_until": "valid until", "level": "name is", "verifications": "confirmed by", "submission": "submitted",
        "company": "member of", "quota": "quota left this month (yuan)", "nobody": "Nobody's name is on record.",
    },
    "zh-CN": {
        "opened": "{phone}已开户，账户类别{level}，首个支付密码的设置链接已发送至该号码。",
        "upgraded": "{phone}的账户类别为{level}。",
        "account_class": "账户类别", "name": "姓名", "document_kind": "证件类型", "document_number": "证件号码",
        "valid_until": "有效期至", "level": "实名程度", "verifications": "核验渠道", "submission": "提交的资料",
        "company": "所属集团", "quota": "本月剩余额度(元)", "nobody": "尚无登记的身份资料。",
    },
}  # fmt: skip


@accounts_app.command("open")
def open_account(
    phone: _PhoneArgument,
    papers: _PapersOption,
    image: _ImagesOption = None,
    verified: _VerifiedOption = None,
    real_name: Annotated[bool, typer.Option("--real-name", help="Verify the holder at once; needs images")] = False,
    company: Annotated[bool, typer.Option("--company", help="A company's master account; needs its licence")] = False,
    language: _LanguageOption = "en",
    sms_language: Annotated[str, typer.Option("--sms-language", help="Of the holder's notices")] = "zh-CN",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open an account at a hall, weak real-name, real-name or a company's; the holder sets the password by a link."""
    words = _words(language)
    claim = _claim(papers, CustomerKind.CORPORATE if company else CustomerKind.INDIVIDUAL)
    images = _images(image)

    def flow(runtime: Runtime, staff: Any) -> Any:
        if company:
            return open_corporate(
                runtime, by=staff, phone=phone, claim=claim, images=images, language=sms_language
            )  # fmt: skip
        return open_at_counter(
            runtime, by=staff, phone=phone, claim=claim, images=images, verifications=verified or (),
            real_name=real_name, language=sms_language,
        )  # fmt: skip

    made: CounterAccount = as_staff(data, flow)
    facts = {"account": str(made.account_id), "phone": made.phone, "class": made.account_class}
    say(as_json, facts, words["opened"].format(phone=made.phone, level=made.account_class))


@accounts_app.command("upgrade")
def upgrade(
    phone: _PhoneArgument,
    papers: _PapersOption,
    image: _ImagesOption = None,
    verified: _VerifiedOption = None,
    language: _LanguageOption = "en",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an account real-name at a hall, add channels that confirmed the name, or renew the document.

    In the papers "former_number" is of the document on record, where the new one has another number.
    """
    words, claim, images = _words(language), _claim(papers, CustomerKind.INDIVIDUAL), _images(image)
    if claim.document_kind is DocumentKind.BUSINESS_LICENCE:
        claim = claim._replace(kind=CustomerKind.CORPORATE)
    found = as_staff(
        data,
        lambda runtime, staff: upgrade_at_counter(
            runtime, by=staff, phone=phone, claim=claim, images=images, verifications=verified or ()
        ),
    )
    level = found.account_class
    say(as_json, {"class": level}, words["upgraded"].format(phone=parse_phone(phone), level=level))


@accounts_app.command("show")
def show(
    phone: _PhoneArgument, language: _LanguageOption = "en", data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Show who holds an account, masked, and the group it is a member of. The look is audited."""
    words = _words(language)

    async def flow(runtime: Runtime) -> tuple[AccountIdentity, tuple[Membership, str] | None, date]:
        today = business_date(runtime.clock.now(), cut=runtime.settings.day_cut)
        identity = await identity_at_counter(runtime, by=None, phone=phone)
        account_id = await find_wallet_id(runtime, phone=parse_phone(phone))
        assert account_id is not None
        try:
            return identity, await membership_of(runtime, account_id=account_id), today
        except Refused as refused:
            if refused.code is not ErrorCode.NOT_GROUP_MEMBER:
                raise
            return identity, None, today

    found, group, today = as_platform(data, flow)
    facts = _facts(found, group, today)
    if as_json:
        return say(True, facts, "")
    told = {words[name]: ", ".join(value) if isinstance(value, list) else value for name, value in facts.items()}
    show_table(("", ""), ((name, value) for name, value in told.items() if value))
    if found.customer is None:
        print(words["nobody"])
    return None


def _facts(found: AccountIdentity, group: tuple[Membership, str] | None, today: date) -> dict[str, Any]:
    facts: dict[str, Any] = {"account_class": found.account_class}
    customer = found.customer
    if customer is not None:
        facts |= {
            "name": customer.name, "document_kind": customer.document_kind,
            "document_number": customer.document_number, "valid_until": customer.valid_until,
            "level": customer.level, "verifications": [str(each) for each in customer.verifications],
        }  # fmt: skip
    if found.submission is not None:
        facts["submission"] = found.submission.state
    if group is not None:
        member, company = group
        left_fen = max(member.quota_month_fen - member.used_in(today), 0)
        facts |= {"company": company, "quota": str(Money(left_fen))}
    return facts


def _claim(papers: str, kind: CustomerKind) -> IdentityClaim:
    """What the file says of the customer.

    Raises:
        MalformedField: the field of it that is missing or of another form.
    """
    text = sys.stdin.read() if papers == "-" else Path(papers).read_text(encoding="utf-8")
    try:
        told = json.loads(text)
    except ValueError:
        raise MalformedField(field="papers", problem="must be a JSON object") from None
    if not isinstance(told, dict):
        raise MalformedField(field="papers", problem="must be a JSON object")
    for name, value in told.items():
        if name not in (*_FIELDS, "document_kind", "sex"):
            raise MalformedField(field=name, problem="is not known in papers")
        if value is not None and not isinstance(value, str):
            raise MalformedField(field=name, problem="must be a text")
    for name in ("name", "document_kind", "document_number"):
        if not told.get(name):
            raise MalformedField(field=name, problem="is missing")
    sex = told.get("sex")
    given = {name: told[name] for name in _FIELDS if told.get(name) is not None}
    return IdentityClaim(
        kind=kind, document_kind=_one_of(DocumentKind, "document_kind", told["document_kind"]),
        sex=None if sex is None else _one_of(Sex, "sex", sex), **given,
    )  # fmt: skip


def _one_of(kind: Any, field: str, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise MalformedField(field=field, problem=f"must be one of {', '.join(kind)}") from None


def _images(given: list[str] | None) -> list[Image]:
    found = []
    for each in given or []:
        kind, separator, path = each.partition("=")
        if not separator:
            raise typer.BadParameter("give KIND=FILE", param_hint="--image")
        found.append(parse_image(_one_of(ImageKind, "image", kind), Path(path).read_bytes()))
    return found


def _words(language: str) -> dict[str, str]:
    if language not in LANGUAGES:
        raise typer.BadParameter(f"must be one of {', '.join(LANGUAGES)}", param_hint="--language")
    return _WORDS[language]
