"""Every channel has one table from ErrorCode to reply, and every code is in every table."""

from __future__ import annotations

from mpss.accounts.state import EffectiveState
from mpss.channels.bank.replies import APPROVED, RESPONSES
from mpss.channels.http.problems import REPLIES
from mpss.channels.ivr import refusals as spoken
from mpss.channels.ivr.replies import STATES
from mpss.channels.sms.arguments import Mistake
from mpss.channels.sms.replies import MISTAKES, REFUSALS
from mpss.kernel.errors import ErrorCode
from mpss.kernel.language import LANGUAGES
from mpss.notices.model import FACTS, Event
from mpss.notices.templates import TEMPLATES


class TestTheHttpTable:
    def test_knows_every_code(self) -> None:
        assert REPLIES.keys() == set(ErrorCode)

    def test_tells_every_code_in_both_languages(self) -> None:
        assert [code for code, reply in REPLIES.items() if not (reply.zh and reply.en)] == []

    def test_gives_refusals_a_status_of_the_4xx_and_our_own_faults_one_of_the_5xx(self) -> None:
        ours = {code for code, reply in REPLIES.items() if reply.status >= 500}
        assert ours == {ErrorCode.BUSY, ErrorCode.INTERNAL}
        assert all(400 <= reply.status < 600 for reply in REPLIES.values())


class TestTheBanksTable:
    def test_knows_every_code_and_says_yes_for_none(self) -> None:
        assert RESPONSES.keys() == set(ErrorCode)
        assert all(len(code) == 2 and code != APPROVED for code in RESPONSES.values())

    def test_leaves_the_bank_in_doubt_for_our_own_faults_alone(self) -> None:
        doubtful = {code for code, response in RESPONSES.items() if response in ("96", "98", "09", "68", "06")}
        assert doubtful == {ErrorCode.BUSY, ErrorCode.INTERNAL}


class TestTheSmsTables:
    def test_know_every_code_and_every_mistake(self) -> None:
        assert REFUSALS.keys() == set(ErrorCode)
        assert MISTAKES.keys() == set(Mistake)

    def test_tell_them_in_every_language(self) -> None:
        texts = [*REFUSALS.values(), *MISTAKES.values()]
        assert all(text.keys() == set(LANGUAGES) and all(text.values()) for text in texts)


class TestTheSpokenTables:
    def test_know_every_code_and_every_state(self) -> None:
        assert spoken.REFUSALS.keys() == set(ErrorCode)
        assert STATES.keys() == set(EffectiveState)

    def test_tell_them_in_every_language(self) -> None:
        texts = [*spoken.REFUSALS.values(), *STATES.values()]
        assert all(text.keys() == set(LANGUAGES) and all(text.values()) for text in texts)

    def test_ask_again_only_for_what_the_caller_keyed(self) -> None:
        assert set(ErrorCode) > spoken.MISTYPED
        assert not spoken.MISTYPED & {ErrorCode.PASSWORD_LOCKED, ErrorCode.INTERNAL, ErrorCode.BUSY}


class TestTheNotices:
    def test_have_a_text_in_every_language_and_facts_for_every_event(self) -> None:
        assert TEMPLATES.keys() == FACTS.keys() == set(Event)
        assert all(texts.keys() == set(LANGUAGES) for texts in TEMPLATES.values())
