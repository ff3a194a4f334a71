"""VoiceXML 2.1 documents from a small description of a telephone dialogue. Pure. Spec: W3C REC-voicexml21.

A document either asks by keys and posts what was keyed, or says something and hangs up. The caller goes on by keys
alone, so no voice is recorded or recognized. Whatever ends a question without its answer (silence, a key out of place,
`*`, a hang-up) is posted too, as an event, and counted by whoever gets it.

What is posted is a form: the carried values, then either the fields or `event`. Nothing is ever put into an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from xml.etree.ElementTree import Element, SubElement, tostring

MEDIA_TYPE = "application/voicexml+xml"
NAMESPACE = "http://www.w3.org/2001/vxml"
BACK = "*"
EVENT = "event"
"""The form field that names what came instead of an answer."""
SPOKEN_IN = {"zh-CN": "zh-CN", "en": "en-US"}
"""xml:lang by our languages."""

_NAME = re.compile(r"[a-z][a-z_]{0,30}", re.ASCII)
_VALUE = re.compile(r"[A-Za-z0-9_.:-]{0,80}", re.ASCII)
_DIGITS = "0123456789"


class Heard(StrEnum):
    """What is posted as `event`."""

    SILENCE = "noinput"
    NO_MATCH = "nomatch"
    BACK = "back"
    HANG_UP = "hangup"


@dataclass(frozen=True, slots=True)
class Keys:
    """One key of several, as a menu has them."""

    name: str
    prompt: str
    keys: str


@dataclass(frozen=True, slots=True)
class Digits:
    """`least` to `most` digits, ended by `#` or by the last of them; `star_ends`: the last may be `*`, for an X."""

    name: str
    prompt: str
    least: int
    most: int
    star_ends: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """How long is waited, in seconds: for the first key, for the next one, for the answer to a post."""

    first_key: int = 8
    next_key: int = 5
    answer: int = 30


@dataclass(frozen=True, slots=True)
class Question:
    """Says `said`, asks each entry in turn, and posts `carried` and the entries to `action`.

    `sorry` is said where the post fails; the call ends then.
    """

    language: str
    said: tuple[str, ...]
    entries: tuple[Keys | Digits, ...]
    action: str
    carried: Mapping[str, str]
    sorry: str
    timing: Timing = field(default=Timing())


@dataclass(frozen=True, slots=True)
class Farewell:
    """Says `said` and hangs up."""

    language: str
    said: tuple[str, ...]


def document(told: Question | Farewell) -> bytes:
    """The document in UTF-8.

    Raises:
        ValueError: a name is no plain name, a carried value no plain value, or an entry asks for nothing.
    """
    root = Element("vxml", {"version": "2.1", "xmlns": NAMESPACE, "xml:lang": SPOKEN_IN[told.language]})
    if isinstance(told, Farewell):
        _say(SubElement(SubElement(root, "form", {"id": "farewell"}), "block"), told.said, hang_up=True)
    else:
        _ask(root, told)
    written: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return written


def _ask(root: Element, told: Question) -> None:
    names = [*told.carried, *(entry.name for entry in told.entries)]
    if not told.entries or len(set(names)) != len(names) or EVENT in names:
        raise ValueError("a question has entries, and no name twice")
    timing = told.timing
    for name, value in (
        ("inputmodes", "dtmf"),
        ("termchar", "#"),
        ("timeout", f"{timing.first_key}s"),
        ("interdigittimeout", f"{timing.next_key}s"),
        ("fetchtimeout", f"{timing.answer}s"),
    ):
        SubElement(root, "property", {"name": name, "value": value})
    for name, value in told.carried.items():
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise ValueError(f"{name!r} or its value is not plain")
        SubElement(root, "var", {"name": name, "expr": f"'{value}'"})
    SubElement(root, "var", {"name": EVENT, "expr": "''"})
    SubElement(SubElement(root, "catch", {"event": "connection.disconnect"}), "exit")
    trouble = SubElement(root, "catch", {"event": "error"})
    _say(trouble, (told.sorry,), hang_up=True)
    form = SubElement(root, "form", {"id": "ask"})
    hung_up = SubElement(form, "catch", {"event": "connection.disconnect.hangup"})
    _post_event(hung_up, told, f"'{Heard.HANG_UP}'")
    SubElement(hung_up, "exit")
    _post_event(SubElement(form, "catch", {"event": f"{Heard.SILENCE} {Heard.NO_MATCH}"}), told, "_event")
    if told.said:
        _say(SubElement(form, "block"), told.said)
    for entry in told.entries:
        _entry(form, told, entry)
    entered = " ".join(entry.name for entry in told.entries)
    _post(SubElement(SubElement(form, "block"), "submit"), told, entered)


def _entry(form: Element, told: Question, entry: Keys | Digits) -> None:
    if _NAME.fullmatch(entry.name) is None:
        raise ValueError(f"{entry.name!r} is no plain name")
    asked = SubElement(form, "field", {"name": entry.name})
    _grammar(asked, entry)
    SubElement(asked, "prompt").text = _clean(entry.prompt)
    filled = SubElement(asked, "filled")
    back = SubElement(filled, "if", {"cond": f"{entry.name} == '{BACK}'"})
    _post_event(back, told, f"'{Heard.BACK}'")


def _grammar(asked: Element, entry: Keys | Digits) -> None:
    grammar = SubElement(asked, "grammar", {"version": "1.0", "mode": "dtmf", "root": f"{entry.name}_entry"})
    either = SubElement(SubElement(grammar, "rule", {"id": f"{entry.name}_entry", "scope": "public"}), "one-of")
    if isinstance(entry, Keys):
        keys = entry.keys.replace(BACK, "")
        if not keys or set(keys) - set(_DIGITS):
            raise ValueError("a menu's keys are digits")
        _items(either, keys + BACK)
        return
    if not 1 <= entry.least <= entry.most or (entry.star_ends and (entry.least != entry.most or entry.most < 2)):
        raise ValueError("so many digits cannot be asked for")
    number = SubElement(either, "item")
    plain = entry.most - 1 if entry.star_ends else entry.most
    least = plain if entry.star_ends else entry.least
    repeat = str(plain) if least == plain else f"{least}-{plain}"
    SubElement(SubElement(number, "item", {"repeat": repeat}), "ruleref", {"uri": f"#{entry.name}_digit"})
    if entry.star_ends:
        _items(SubElement(number, "one-of"), _DIGITS + BACK)
    SubElement(either, "item").text = BACK
    _items(SubElement(SubElement(grammar, "rule", {"id": f"{entry.name}_digit"}), "one-of"), _DIGITS)


def _items(parent: Element, keys: Iterable[str]) -> None:
    for key in keys:
        SubElement(parent, "item").text = key


def _post_event(parent: Element, told: Question, expression: str) -> None:
    SubElement(parent, "assign", {"name": EVENT, "expr": expression})
    _post(SubElement(parent, "submit"), told, EVENT)


def _post(submit: Element, told: Question, entered: str) -> None:
    submit.attrib.update(next=told.action, method="post", namelist=" ".join([*told.carried, entered]))


def _say(parent: Element, said: Iterable[str], *, hang_up: bool = False) -> None:
    for sentence in said:
        SubElement(parent, "prompt").text = _clean(sentence)
    if hang_up:
        SubElement(parent, "disconnect")


def _clean(text: str) -> str:
    """Without the signs that XML cannot hold."""
    return "".join(sign for sign in text if sign.isprintable())
