"""A small interpreter of VoiceXML 2.1 for a caller who presses keys: one document, from its first prompt to its post.

What it knows: one form of blocks and fields; prompts; grammars of keys with items, repeats and references; `filled`,
`if` on equality, `assign`, `submit`, `disconnect`, `exit`; `catch` by the event's name or a part of it from the left.
Anything else is an error here, as it would be heard by nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, fromstring

_VXML = "{http://www.w3.org/2001/vxml}"
_LITERAL = re.compile(r"'([^'\\]*)'")
_EQUALS = re.compile(r"(\w+) == '([^'\\]*)'")
_TERMINATOR = "#"
_CONTAINERS = {"property", "var", "catch", "grammar", "filled"}


class NotUnderstood(ValueError):
    """The document has something that this interpreter does not know, or is not what it should be."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is posted to `next`, relative to the document's own address."""

    next: str
    fields: dict[str, str]


@dataclass(slots=True)
class Page:
    """A document as it is being heard. `heard` grows; `asking` is the field that waits for keys; `ended`: hung up."""

    document: bytes
    heard: list[str] = field(default_factory=list)
    asking: str | None = None
    ended: bool = False
    language: str = ""
    _root: Element = field(init=False)
    _form: Element = field(init=False)
    _variables: dict[str, str] = field(init=False, default_factory=dict)
    _done: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._root = fromstring(self.document)  # noqa: S314 - the center's own document
        if self._root.tag != f"{_VXML}vxml" or self._root.get("version") != "2.1":
            raise NotUnderstood("it is no VoiceXML 2.1")
        self.language = self._root.get("{http://www.w3.org/XML/1998/namespace}lang", "")
        forms = self._root.findall(f"{_VXML}form")
        if len(forms) != 1:
            raise NotUnderstood("it has not one form")
        self._form = forms[0]
        for variable in self._root.findall(f"{_VXML}var"):
            self._variables[variable.attrib["name"]] = self._value(variable.attrib["expr"], "")

    def listen(self) -> Submission | None:
        """Go on until keys are waited for, something is posted, or the call ends."""
        for place, item in enumerate(self._form):
            name = _name(item)
            if place in self._done or name in _CONTAINERS:
                continue
            if name == "field":
                self.asking = item.attrib["name"]
                self._run(child for child in item if _name(child) == "prompt")
                return None
            if name != "block":
                raise NotUnderstood(f"a form with a {name}")
            self._done.add(place)
            posted = self._run(item)
            if posted is not None or self.ended:
                return posted
        self.ended = True
        return None

    def press(self, keys: str) -> Submission | None:
        """Press keys where some are waited for, "" for none; as `listen` afterwards."""
        place, asked = next(
            (place, item)
            for place, item in enumerate(self._form)
            if _name(item) == "field" and item.attrib["name"] == self.asking
        )
        keyed = keys.removesuffix(_TERMINATOR)
        if not keyed:
            return self.throw("noinput")
        if re.fullmatch(_pattern(asked), keyed) is None:
            return self.throw("nomatch")
        self._variables[asked.attrib["name"]] = keyed
        self._done.add(place)
        self.asking = None
        for filled in asked.findall(f"{_VXML}filled"):
            posted = self._run(filled)
            if posted is not None or self.ended:
                return posted
        return self.listen()

    def throw(self, event: str) -> Submission | None:
        """What the document does about an event; it ends where it does nothing."""
        for scope in (self._form, self._root):
            for catch in scope.findall(f"{_VXML}catch"):
                if any(event == name or event.startswith(f"{name}.") for name in catch.attrib["event"].split()):
                    posted = self._run(catch, event)
                    self.ended = posted is None
                    return posted
        self.ended = True
        return None

    def _run(self, elements: Iterable[Element], event: str = "") -> Submission | None:
        for element in elements:
            match _name(element):
                case "prompt":
                    self.heard.append("".join(element.itertext()))
                case "assign":
                    self._variables[element.attrib["name"]] = self._value(element.attrib["expr"], event)
                case "if":
                    if self._holds(element.attrib["cond"]):
                        posted = self._run(element, event)
                        if posted is not None or self.ended:
                            return posted
                case "submit":
                    return self._submission(element)
                case "disconnect" | "exit":
                    self.ended = True
                    return None
                case other:
                    raise NotUnderstood(f"a {other} in what is carried out")
        return None

    def _submission(self, submit: Element) -> Submission:
        if submit.attrib["method"] != "post":
            raise NotUnderstood("what is keyed would stand in an address")
        names = submit.attrib["namelist"].split()
        return Submission(submit.attrib["next"], {name: self._variables[name] for name in names})

    def _value(self, expression: str, event: str) -> str:
        literal = _LITERAL.fullmatch(expression)
        if literal is not None:
            return literal[1]
        return event if expression == "_event" else self._variables[expression]

    def _holds(self, condition: str) -> bool:
        equals = _EQUALS.fullmatch(condition)
        if equals is None:
            raise NotUnderstood(f"the condition {condition}")
        return self._variables[equals[1]] == equals[2]


def _name(element: Element) -> str:
    return element.tag.removeprefix(_VXML)


def _pattern(asked: Element) -> str:
    """The keys that a field's grammar takes, as a regular expression."""
    grammar = asked.find(f"{_VXML}grammar")
    if grammar is None or grammar.get("mode") != "dtmf":
        raise NotUnderstood("a field without keys")
    rules = {rule.attrib["id"]: rule for rule in grammar.findall(f"{_VXML}rule")}
    return _expansion(rules[grammar.attrib["root"]], rules)


def _expansion(element: Element, rules: dict[str, Element]) -> str:
    match _name(element):
        case "one-of":
            return "(?:" + "|".join(_expansion(child, rules) for child in element) + ")"
        case "ruleref":
            return _expansion(rules[element.attrib["uri"].removeprefix("#")], rules)
        case "rule" | "item":
            inner = re.escape((element.text or "").strip()) + "".join(_expansion(child, rules) for child in element)
            repeat = element.get("repeat")
            return f"(?:{inner})" + ("" if repeat is None else "{" + repeat.replace("-", ",") + "}")
        case other:
            raise NotUnderstood(f"a {other} in a grammar")
