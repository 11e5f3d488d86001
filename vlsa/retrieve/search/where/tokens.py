"""A filter's text cut into words, numbers, dates, quoted texts, quoted names and operators. Feeds parse.py.

As in SQL, single quotation marks are for texts and double ones for names of columns.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from vlsa.base.errors import VlsaError

LONGEST = 4000
"""Characters of a filter."""
KEYWORDS = frozenset({"and", "or", "not", "like", "in", "is", "null", "true", "false"})
_PATTERN = re.compile(
    r"""\s*(?:
        (?P<date>\d{4}-\d{2}(?:-\d{2})?(?![\w.]))
      | (?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<text>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*")
      | (?P<word>[^\W\d]\w*(?:\.[^\W\d]\w*)*)
      | (?P<operator><=|>=|!=|<>|==|[=<>(),])
    )""",
    re.VERBOSE,
)

_ADVICE = (
    ("[‘’‚`´“”„«»「」]", "Texts stand in straight quotation marks ('), as a keyboard has them. "),
    (r"[-/]\d{1,2}\b|\d{1,2}\.\d{1,2}\.\d{2,4}\b|-W\d", "A date is written 2025-03-01, a month 2025-03. "),
    (r"[&|!]", "The words are and, or, not. "),
    (r"[-+*/]", "Nothing is computed in a filter. "),
    (r"[\d.]|:", "A number has no unit, and no colon: lengths are in seconds (90, not 1:30), sizes in bytes. "),
)
"""By what a place begins that cannot be read."""


@dataclass(frozen=True)
class Token:
    """A piece of a filter: its kind, its text (of a quoted one what is inside), and where it starts."""

    kind: str
    text: str
    position: int


def tokens(text: str) -> list[Token]:
    """The pieces of a filter, and one of kind "end". Raises VlsaError for what is none."""
    if len(text) > LONGEST:
        raise VlsaError(f"where: {len(text)} characters; {LONGEST} are read. Write a shorter filter.")
    found, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _PATTERN.match(text, position)
        if match is None:
            _check_bare(text, found, position)
            unreadable(text, position)
        found.append(_token(match))
        position = match.end()
    return [*found, Token("end", "", end)]


def _check_bare(text: str, found: list[Token], position: int) -> None:
    """Raises the error for a text without its quotation marks, as in name = film-0.mp4."""
    if [token.kind for token in found[-3:]] not in (["word", "operator", "word"], ["word", "keyword", "word"]):
        return
    column, sign, word = found[-3:]
    if sign.text in ("=", "!=", "<", "<=", ">", ">=", "like") and word.position + len(word.text) == position:
        bare = "".join(re.findall(r"^[^\s()]+", text[word.position :]))  # it goes on without a space
        raise VlsaError(
            f"where: {bare[:80]!r} without quotation marks in {text[:200]!r}; nothing was searched. "
            f"Write {column.text} {sign.text} {_quoted(bare[:80])}."
        )


def _quoted(text: str) -> str:
    """As a text stands in a filter."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def unreadable(text: str, position: int) -> NoReturn:
    """Raises the error for a place where nothing fits."""
    rest = text[position:].lstrip()
    what = "a quotation mark that is never closed" if rest[:1] in "'\"" else f"{rest[:20]!r} cannot be read"
    advice = next((advice for pattern, advice in _ADVICE if re.match(pattern, rest)), "")
    raise VlsaError(
        f"where: {what} in {text[:200]!r}; nothing was searched. {advice}Write as in "
        "\"duration > 60 and folder = 'field/2025' and not has_text\"."
    )


def _token(match: re.Match[str]) -> Token:
    kind = str(match.lastgroup)
    text, position = match[kind], match.start(kind)
    if kind in ("text", "name"):
        return Token(kind, text[1:-1].replace(text[0] * 2, text[0]), position)
    if kind == "word" and text.lower() in KEYWORDS:
        return Token("keyword", text.lower(), position)
    return Token(kind, {"<>": "!=", "==": "="}.get(text, text), position)
