"""Paying with the payment password as the payer typed it: digests made, spraying looked for, then the desk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from mpss.accounts.password_rules import candidate_digests, check_form, fingerprint
from mpss.accounts.spray import hot, noticed, prove
from mpss.desk.model import Answer, Funding
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime
from mpss.transactions.model import Proof
from mpss.transactions.purchases.purchase import purchase
from mpss.transactions.purchases.sale import Sale


async def pay(
    runtime: Runtime,
    *,
    caller: str,
    key: str,
    channel: str,
    sale: Sale,
    phone: str,
    password: str,
    source: str,
    sms_code: str | None = None,
    funding: Funding = Funding.WALLET,
    card_id: UUID | None = None,
    watched: bool = False,
) -> Answer:
    """Pay now. `source` is where the password came from ("http:203.0.113.7"), `watched` whether that is on the grey
    list; `phone` is the payer's, E.164.

    Where the answer is CHALLENGE_REQUIRED, the payer asks for a CHALLENGE code and sends it as `sms_code`, which is
    used up.

    Raises:
        MalformedField: `password` or `sms_code` is not six digits; as `purchase`.
        Refused: WRONG_CODE, CODE_EXPIRED.

    Spec: CT 5.3, 12.1.
    """

    async def submit(proof: Proof) -> Answer:
        return await purchase(
            runtime, caller=caller, key=key, channel=channel, sale=sale, proof=proof, funding=funding, card_id=card_id,
            watched=watched,
        )  # fmt: skip

    return await with_password(
        runtime,
        account_id=sale.account_id,
        phone=phone,
        password=password,
        source=source,
        sms_code=sms_code,
        submit=submit,
    )


async def with_password(
    runtime: Runtime,
    *,
    account_id: UUID,
    phone: str,
    password: str,
    source: str,
    sms_code: str | None,
    submit: Callable[[Proof], Awaitable[Answer]],
) -> Answer:
    """Submit a command with the payer's proof, made of the password and, where it is challenged, the SMS code.

    Raises:
        MalformedField: `password` or `sms_code` is not six digits.
        Refused: WRONG_CODE, CODE_EXPIRED.
    """
    check_form(password, field="payment_password")
    key_store = runtime.ports.key_store
    seen = fingerprint(key_store, password)
    code_refused: Refused | None = None
    is_hot, proven = await hot(runtime, seen, source), False
    if is_hot and sms_code is not None:
        try:
            await prove(runtime, phone=phone, code=sms_code)
            proven = True
        except Refused as problem:
            # A repeat brings the code that its first request used up: the desk answers it as at first.
            code_refused = problem
    challenged = is_hot and not proven
    proof = Proof(candidate_digests(key_store, account_id, password), challenged, seen, source, proven)
    answer = await submit(proof)
    if answer.transaction.refusal is ErrorCode.CHALLENGE_REQUIRED and sms_code is not None:
        if code_refused is not None:
            raise code_refused
        # A risk rule asks for the code, which only the desk could know. Nothing was recorded under the key.
        await prove(runtime, phone=phone, code=sms_code)
        answer = await submit(proof._replace(proven=True))
    if answer.transaction.refusal is ErrorCode.WRONG_PASSWORD:
        noticed(runtime)
    return answer
