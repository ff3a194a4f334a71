"""The three answers of any outside system: yes, no, and silence (ARCHITECTURE §3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Approved:
    reference: str
    content: str = ""


@dataclass(frozen=True, slots=True)
class Declined:
    reason: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """No answer, or none that can be trusted: the request may or may not have been carried out."""

    problem: str


Outcome = Approved | Declined | InDoubt
