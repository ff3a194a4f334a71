from __future__ import annotations

import pytest

from mpss.channels.sms import replies
from mpss.channels.sms.arguments import Mistake
from mpss.channels.sms.texts import Text
from mpss.kernel.errors import ErrorCode
from mpss.kernel.language import LANGUAGES
from mpss.wire.sms_text import Coding, coding_of, segment_count


class TestReplies:
    def test_know_every_error_code(self) -> None:
        assert set(replies.REFUSALS) == set(ErrorCode)

    def test_know_every_mistake(self) -> None:
        assert set(replies.MISTAKES) == set(Mistake)

    @pytest.mark.parametrize(
        "texts", [*replies.REFUSALS.values(), *replies.MISTAKES.values(), replies.HELP, replies.ACCOUNT_HELP]
    )
    def test_are_written_in_every_language(self, texts: Text) -> None:
        assert set(texts) == set(LANGUAGES)
        assert coding_of(texts["en"]) is Coding.DEFAULT_ALPHABET
        assert coding_of(texts["zh-CN"]) is Coding.UCS2

    @pytest.mark.parametrize("texts", [replies.HELP, replies.ACCOUNT_HELP])
    def test_help_takes_no_more_than_four_short_messages(self, texts: Text) -> None:
        assert segment_count(texts["zh-CN"] + "【MPSS 12345678】") <= 4
        assert segment_count(texts["en"] + " [No. 12345678]") <= 4

    @pytest.mark.parametrize("texts", [*replies.REFUSALS.values(), *replies.MISTAKES.values()])
    def test_fit_one_short_message_with_the_serial(self, texts: Text) -> None:
        assert segment_count(texts["zh-CN"] + "【MPSS 12345678】") == 1
        assert segment_count(texts["en"] + " [No. 12345678]") == 1
