"""The table of the voice channel's dialogues: every path of it is walked, and every document on the way is heard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis.strategies import DataObject, data, integers, sampled_from

from mpss.channels.ivr.dialogs import (
    TABLE,
    TRIES,
    Do,
    Move,
    Place,
    Remark,
    Standing,
    began,
    done,
    hear,
    read_standing,
    refused,
)
from mpss.channels.ivr.prompts import FIELDS, MENUS, REMARKS, document_of
from mpss.kernel.language import LANGUAGES
from mpss.simulators.ivr_browser import Page, Submission
from mpss.wire.voicexml import Heard

CARRIED = {"call": "c0ffee-01", "step": "1"}
CLOSING = {"keys": "12", "choices": "bank_card,phone_bill", "told": "To the bill press 2. "}
MORE = {Do.SET_LIMIT: (Place.LIMIT_PASSWORD, {"yuan": "700"}), Do.ASK_CLOSING: (Place.CLOSE, CLOSING)}
"""Where an errand asks for more, and what it keeps for that."""
SECRETS = {"password": "470983", "old_password": "470984", "new_password": "630284", "once_more": "630284",
           "proof": "04261X", "card": "1234567890123456"}  # fmt: skip


def filled(standing: Standing) -> dict[str, str]:
    """A right answer for every field of the place."""
    plain = {"yuan": "700", "days": "7", "phone": "18912340001", "choice": "1", **SECRETS, "proof": "04261*"}
    return {asked.name: plain[asked.name] for asked in TABLE[standing.place].fields}


def answers(standing: Standing) -> Iterator[tuple[str, dict[str, str]]]:
    """Everything that a caller can do at a place."""
    for event in Heard:
        yield event.value, {}
    for key in "0123456789":
        yield "", {"key": key}
    if TABLE[standing.place].fields:
        yield "", filled(standing)


def after(move: Move) -> Iterator[Standing]:
    """Where an errand may leave the call."""
    at, do = move
    if do is None:
        yield at
        return
    yield done(at, "It is done.")
    yield refused(at, "It is refused.", mistyped=False)
    yield refused(at, "Try again.", mistyped=True)
    if do in MORE:
        place, memory = MORE[do]
        yield done(at, "", place=place, memory=memory)


def listen(standing: Standing) -> Page:
    """The document, heard as far as its first question."""
    page = Page(document_of(standing, CARRIED))
    assert page.listen() is None
    return page


class TestEveryPath:
    def test_leads_to_every_place_and_every_errand_and_is_heard_in_both_languages(self) -> None:
        places, errands, waiting, seen = set(), set(), [], set()
        for language in LANGUAGES:
            waiting += [began(language, known=True), began(language, known=False)]
        while waiting:
            standing = waiting.pop()
            key = (standing.language, standing.home, standing.place, standing.misses)
            if key in seen:
                continue
            seen.add(key)
            places.add(standing.place)
            page = listen(standing)
            assert page.ended == (standing.place is Place.ENDED)
            assert all(page.heard)
            assert read_standing(standing.written()) == standing
            for event, keyed in answers(standing):
                move = hear(standing, event, keyed)
                errands |= {move.do} - {None}
                waiting += after(move)
        assert places == set(Place)
        assert errands == set(Do)

    def test_of_a_stranger_leads_to_a_report_of_loss_and_nothing_else(self) -> None:
        waiting, errands, seen = [began("en", known=False)], set(), set()
        while waiting:
            standing = waiting.pop()
            if (standing.place, standing.misses) in seen:
                continue
            seen.add((standing.place, standing.misses))
            for event, keyed in answers(standing):
                move = hear(standing, event, keyed)
                errands |= {move.do} - {None}
                waiting += after(move)
        assert errands == {Do.REPORT_OTHER_LOSS}

    @given(drawn=data(), steps=integers(1, 40))
    def test_keeps_no_proof_and_ends_after_three_misses_in_a_row(self, drawn: DataObject, steps: int) -> None:
        standing = began(drawn.draw(sampled_from(LANGUAGES)), known=drawn.draw(sampled_from([True, False])))
        for _ in range(steps):
            before = standing
            event, keyed = drawn.draw(sampled_from(list(answers(standing))))
            standing = drawn.draw(sampled_from(list(after(hear(standing, event, keyed)))))
            assert not any(secret in standing.written() for secret in SECRETS.values())
            assert not any(secret in document_of(standing, CARRIED).decode() for secret in SECRETS.values())
            assert (standing.misses >= TRIES) <= (standing.place is Place.ENDED)
            if before.place is Place.ENDED:
                assert standing.place is Place.ENDED
            if standing.misses:
                assert standing.misses == before.misses + 1 or standing.place is Place.ENDED

    @pytest.mark.parametrize("place", [place for place in Place if place is not Place.ENDED])
    def test_goes_back_by_the_star_and_home_in_the_end(self, place: Place) -> None:
        standing = Standing("en", place, Place.MAIN, CLOSING)
        for _ in range(3):
            standing = hear(standing, Heard.BACK, {}).standing
        assert standing.place is Place.MAIN

    def test_is_not_longer_than_a_call_may_be(self) -> None:
        standing = began("en", known=True)
        while standing.place is not Place.ENDED:
            standing = hear(standing, "", {"key": "0"}).standing
        assert standing.remarks == (Remark.TOO_OFTEN,)


class TestAForm:
    @pytest.mark.parametrize("place", [place for place, row in TABLE.items() if row.fields])
    def test_posts_what_its_document_asked_for(self, place: Place) -> None:
        standing = Standing("zh-CN", place, Place.MAIN, CLOSING)
        page, wanted = listen(standing), filled(standing)
        posted = None
        while posted is None:
            assert page.asking is not None
            posted = page.press(wanted[page.asking])
        assert posted == Submission("steps", {**CARRIED, **wanted})
        assert hear(standing, "", posted.fields).do is TABLE[place].do

    @pytest.mark.parametrize("place", [place for place, row in TABLE.items() if row.fields])
    def test_that_is_posted_otherwise_than_asked_for_does_nothing(self, place: Place) -> None:
        standing = Standing("zh-CN", place, Place.MAIN, CLOSING)
        wanted = filled(standing)
        for name in wanted:
            for wrong in ("", "*", "x" * len(wanted[name]), wanted[name] * 5, "１" * len(wanted[name])):
                assert hear(standing, "", {**wanted, name: wrong}).do is None
            assert hear(standing, "", {other: keyed for other, keyed in wanted.items() if other != name}).do is None


def test_the_prompts_are_those_of_the_table_in_every_language() -> None:
    assert MENUS.keys() == {place for place, row in TABLE.items() if row.keys}
    assert FIELDS.keys() == {(place, asked.name) for place, row in TABLE.items() for asked in row.fields}
    assert REMARKS.keys() == set(Remark)
    assert TABLE.keys() == set(Place)
    texts = [*MENUS.values(), *FIELDS.values(), *REMARKS.values()]
    assert all(text.keys() == set(LANGUAGES) and all(text.values()) for text in texts)


def test_each_menu_names_its_keys_in_every_language() -> None:
    for place, told in MENUS.items():
        for spoken in told.values():
            assert [key for key in (*TABLE[place].keys, "0") if key not in spoken] == []
