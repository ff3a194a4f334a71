"""The operator's recharge platform over HTTP, questions and answers signed (`signed_http`).

    POST {url}/cards/check           {"message": "check", "card_number": …}
                     → {"message": "check_answer", "result": "good", "face_fen": 5000}
                     | {…, "result": "refused", "reason": "used"}
    POST {url}/consumptions          {"message": "consume", "reference", "card_number", "phone", "most_fen"}
                     → {"message": "consume_answer", "result": "consumed", "face_fen": 5000, "serial": "RC…"} | refused
    POST {url}/consumptions/inquire  {"message": "inquire", "reference"}
                     → {"message": "inquire_answer", …} as the consumption was answered, or refused, "closed"

webhook-id is our reference. Anything else is no answer.
"""

from __future__ import annotations

from typing import Any

from mpss.adapters.signed_http import SignedHttp, counted, is_word
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.ports.recharge_card import CardConsumption

COUNTERPART = "recharge"
MAX_FACE_FEN = 10**9


class RechargeHttp:
    """Implements `ports.recharge_card.RechargeCardPort`."""

    def __init__(self, *, url: str, secret: str, version: str = "1") -> None:
        self._http = SignedHttp(url, secret, version=version)

    async def close(self) -> None:
        await self._http.close()

    async def check(self, card_number: str, *, reference: str, timeout_seconds: float) -> Outcome:
        answer = await self._http.ask(
            "/cards/check",
            "check",
            message_id=reference,
            fields={"card_number": card_number},
            timeout_seconds=timeout_seconds,
        )
        return counted(COUNTERPART, "check", read_recharge_answer(reference, answer, yes="good"))

    async def consume(self, consumption: CardConsumption, *, timeout_seconds: float) -> Outcome:
        answer = await self._http.ask(
            "/consumptions",
            "consume",
            message_id=consumption.reference,
            fields={
                "reference": consumption.reference,
                "card_number": consumption.card_number,
                "phone": consumption.phone,
                "most_fen": consumption.most_fen,
            },
            timeout_seconds=timeout_seconds,
        )
        outcome = read_recharge_answer(consumption.reference, answer, yes="consumed")
        match outcome:
            case Approved(content=face) if int(face) > consumption.most_fen:
                outcome = InDoubt(f"consumed for {face} fen, where {consumption.most_fen} were the most")
        return counted(COUNTERPART, "consume", outcome)

    async def inquire(self, reference: str, *, timeout_seconds: float) -> Outcome:
        answer = await self._http.ask(
            "/consumptions/inquire",
            "inquire",
            message_id=reference,
            fields={"reference": reference},
            timeout_seconds=timeout_seconds,
        )
        return counted(COUNTERPART, "inquire", read_recharge_answer(reference, answer, yes="consumed"))


def read_recharge_answer(reference: str, answer: dict[str, Any] | InDoubt, *, yes: str) -> Outcome:
    """What a signed answer says; one out of form is no answer. `yes` is the result that approves."""
    if isinstance(answer, InDoubt):
        return answer
    result = answer.get("result")
    if result == yes:
        face_fen, serial = answer.get("face_fen"), answer.get("serial", reference)
        if type(face_fen) is int and 0 < face_fen <= MAX_FACE_FEN and is_word(serial):
            return Approved(serial, str(face_fen))
        return InDoubt("the answer has no face value")
    reason = answer.get("reason")
    if result == "refused" and is_word(reason):
        return Declined(str(reason))
    return InDoubt(f'the answer is neither "{yes}" nor "refused"')
