"""The languages we speak, and which of them a browser prefers."""

from __future__ import annotations

LANGUAGES = ("zh-CN", "en")


def preferred_language(accept_language: str) -> str:
    """zh-CN or en, as an Accept-Language header prefers; zh-CN where it prefers neither.

    A range with q=0 is refused, "*" is no preference, and what is no range of the header's grammar is passed over.
    """
    best, language = 0.0, LANGUAGES[0]
    for part in accept_language[:200].split(","):
        tag, _, parameter = part.strip().partition(";")
        quality = _quality(parameter)
        known = {"zh": LANGUAGES[0], "en": LANGUAGES[1]}.get(tag.strip().lower().partition("-")[0])
        if known is not None and quality > best:
            best, language = quality, known
    return language


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
