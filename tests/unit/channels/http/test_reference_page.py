from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi import FastAPI

from mpss.channels.http.app import create_app, operations_of
from mpss.channels.http.pages import rendered
from mpss.channels.http.reference_page import prose, reference_values, runs
from mpss.channels.http.start_page import start_values
from mpss.config import Settings
from mpss.db.database import Database
from mpss.desk.desk import Desk
from mpss.kernel.clock import SystemClock
from mpss.kernel.errors import ErrorCode
from mpss.runtime import Runtime


class TestProse:
    def test_has_paragraphs_and_points(self) -> None:
        assert prose("One\nline.\n\n* **First** `point`,\n  going on.\n* Second.\n\nEnd.") == [
            ("text", [("text", "One line.")]),
            ("point", [("bold", "First"), ("text", " "), ("code", "point"), ("text", ", going on.")]),
            ("point", [("text", "Second.")]),
            ("text", [("text", "End.")]),
        ]

    def test_leaves_markup_as_it_is(self) -> None:
        assert runs("a < b `<c>`") == [("text", "a < b "), ("code", "<c>")]
        assert prose("") == []


class Page(HTMLParser):
    """What a page refers to, and what of it can be referred to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[int] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" else []
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))


@pytest.fixture(scope="module")
def html() -> str:
    database = Database("postgresql://nowhere")
    ports: Any = None
    app: FastAPI = create_app(Runtime(database, Desk(database), SystemClock(), ports, Settings()))
    return rendered("reference.html", reference_values(app.openapi()), language="en")


class TestTheReferencePage:
    def test_has_every_operation_and_every_error(self, html: str) -> None:
        page = Page(html)
        for operation in operations_of(sandbox_too=False):
            assert operation.endpoint.__name__ in page.ids
            assert operation.path in html
        there = {identity.removeprefix("error-") for identity in page.ids if identity.startswith("error-")}
        assert set(ErrorCode) - there <= {
            ErrorCode.NOT_FOUND, ErrorCode.METHOD_NOT_ALLOWED, ErrorCode.CONFIRMATION_EXPIRED
        }  # fmt: skip

    def test_refers_to_what_is_on_it(self, html: str) -> None:
        page = Page(html)
        assert len(set(page.ids)) == len(page.ids)
        assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)

    def test_has_headings_that_go_down_step_by_step(self, html: str) -> None:
        headings = Page(html).headings
        assert headings[0] == 1
        assert headings.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(headings))

    def test_shows_no_markdown(self, html: str) -> None:
        assert "`" not in re.sub(r"<pre>.*?</pre>", "", html, flags=re.DOTALL)
        assert "**" not in re.sub(r"<pre>.*?</pre>", "", html, flags=re.DOTALL)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_start_page_leads_to_operations_that_are_there(language: str) -> None:
    html = rendered("start.html", start_values(language=language, number="10001888"), language=language)
    paths = {operation.path for operation in operations_of(sandbox_too=False)}
    assert set(Page(html).links) <= paths
    assert "10001888" in html
    assert f'<html lang="{language}">' in html
