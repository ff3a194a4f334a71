"""VoiceXML documents: what they ask, post and say, whatever text and values they are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import text

from mpss.simulators.ivr_browser import Page, Submission
from mpss.wire.voicexml import Digits, Farewell, Keys, Question, document

CARRIED = {"call": "c0ffee-01", "step": "7"}


def asking(*entries: Keys | Digits, said: tuple[str, ...] = ("Hello.",)) -> Page:
    page = Page(document(Question("en", said, entries, "steps", CARRIED, "Sorry.")))
    assert page.listen() is None
    return page


class TestAQuestion:
    def test_says_then_asks_each_entry_and_posts_them_with_what_it_carries(self) -> None:
        page = asking(Keys("key", "Press one.", "12"), Digits("password", "Your password.", 6, 6))
        assert (page.heard, page.asking, page.language) == (["Hello.", "Press one."], "key", "en-US")
        assert page.press("1") is None
        assert page.heard[-1] == "Your password."
        assert page.press("470983") == Submission("steps", {**CARRIED, "key": "1", "password": "470983"})

    @pytest.mark.parametrize(
        ("entry", "right", "wrong"),
        [
            (Keys("key", "", "120"), ["1", "2", "0"], ["3", "11", "#1"]),
            (Digits("d", "", 6, 6), ["000000", "123456#"], ["12345", "1234567", "12345*"]),
            (Digits("d", "", 1, 4), ["0", "1234"], ["12345", "1*"]),
            (Digits("d", "", 6, 6, star_ends=True), ["12345*", "123456"], ["1234*", "1*3456"]),
        ],
    )
    def test_takes_what_its_grammar_says(self, entry: Keys | Digits, right: list[str], wrong: list[str]) -> None:
        for keys in right:
            posted = asking(entry).press(keys)
            assert posted == Submission("steps", {**CARRIED, entry.name: keys.removesuffix("#")})
        for keys in wrong:
            assert asking(entry).press(keys) == Submission("steps", {**CARRIED, "event": "nomatch"})

    def test_posts_silence_back_and_a_hang_up_as_events_without_what_was_keyed(self) -> None:
        entries = (Digits("old", "Old.", 6, 6), Digits("new", "New.", 6, 6))
        for keys, event in (("", "noinput"), ("*", "back"), ("12", "nomatch")):
            page = asking(*entries)
            assert page.press("470983") is None
            assert page.press(keys) == Submission("steps", {**CARRIED, "event": event})
        page = asking(*entries)
        assert page.throw("connection.disconnect.hangup") == Submission("steps", {**CARRIED, "event": "hangup"})

    def test_says_sorry_and_hangs_up_where_the_post_fails(self) -> None:
        page = asking(Keys("key", "", "1"))
        assert page.throw("error.badfetch.http.503") is None
        assert (page.heard[-1], page.ended) == ("Sorry.", True)

    @pytest.mark.parametrize(
        ("entries", "carried"),
        [
            ((), CARRIED),
            ((Keys("key", "", "1"), Keys("key", "", "2")), CARRIED),
            ((Keys("call", "", "1"),), CARRIED),
            ((Keys("event", "", "1"),), CARRIED),
            ((Keys("key", "", ""),), CARRIED),
            ((Keys("key", "", "a"),), CARRIED),
            ((Digits("d", "", 0, 1),), CARRIED),
            ((Digits("d", "", 3, 2),), CARRIED),
            ((Digits("d", "", 1, 6, star_ends=True),), CARRIED),
            ((Keys("k'y", "", "1"),), CARRIED),
            ((Keys("key", "", "1"),), {"call": "x'; alert('y"}),
        ],
    )
    def test_is_not_made_of_what_would_break_it(
        self, entries: tuple[Keys | Digits, ...], carried: dict[str, str]
    ) -> None:
        with pytest.raises(ValueError, match=r".+"):
            document(Question("en", (), entries, "steps", carried, "Sorry."))


@given(said=text(max_size=40))
def test_any_text_is_said_as_it_is_but_for_signs_that_xml_cannot_hold(said: str) -> None:
    heard = asking(Keys("key", said, "1"), said=(said,)).heard
    assert heard == ["".join(sign for sign in said if sign.isprintable())] * 2


def test_a_farewell_is_said_in_its_language_and_hangs_up() -> None:
    made = document(Farewell("zh-CN", ("再见 <b>&",)))
    assert made.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
    page = Page(made)
    assert page.language == "zh-CN"
    assert page.listen() is None
    assert (page.heard, page.ended) == (["再见 <b>&"], True)
