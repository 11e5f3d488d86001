"""Full-text search over the texts of a table, by LanceDB's own index.

Used by lance.py; feeds search/. What is indexed is a column of normalised texts, and the question is normalised the
same way, so that case, accents and ß are the same on both sides. All words of the question have to
occur, in any order and in any inflection of English (barks = barking); words such as "the" do not count. Scores are
BM25's. ICU's dictionary cuts Chinese, Japanese and Thai into words; its list of words to leave out is that of all
languages at once (dog is one, in Swedish), so the words to leave out are named here. Quoted phrases:
search/texts.py.
"""

import re
import unicodedata
from typing import Any

from vlsa.base.errors import SearchIndexError

COLUMN = "text_normalised"
_TEXT = """
    a an and are as at be been but by for from had has have he her his i in is it its not of on or our she
    that the their there these they this to was we were which who will with you your
"""
LEFT_OUT = frozenset(_TEXT.split())
"""English words that nearly every text has; of a question they do not have to occur."""
_LATIN_GREEK = "a-z\u00df-\u024f\u0250-\u02af\u0370-\u03ff\u1d00-\u1d7f\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff"
_MARKED = re.compile(rf"([{_LATIN_GREEK}])[^\w\s]+")
_STRESSED = re.compile("(е)[\u0300\u0301\u0308]+|([аиоуыэюяєіѵ]\u0308?)[\u0300\u0301]+")
"""In Cyrillic the marks of stress, and the two dots of ё; other marks make other letters there, as in й and ї."""
_STRAY = re.compile(r"(?<!\S)[^\w\s]+")
"""Marks that stand on no letter."""
_INVISIBLE = re.compile("[\u034f\u180b-\u180f\u20d0-\u20ff\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Marks that choose a drawing of the sign before them, and those that enclose it."""


class _Kept(dict[int, int | str | None]):
    """What becomes of a character: letters, marks and numbers stay, what has no width goes, all else is a gap."""

    def __missing__(self, code: int) -> int | str | None:
        category = unicodedata.category(chr(code))
        if category == "Cf" or _INVISIBLE.match(chr(code)):
            kept: int | str | None = None
        else:
            kept = code if category[0] in "LMN" else " "
        self[code] = kept
        return kept


_KEPT = _Kept()


def normalised(text: str) -> str:
    """A text as it is compared: lower case, one form of each letter, one space a gap.

    Latin and Greek letters have no accents, Cyrillic ones no stress, and ё is е. Marks of all other scripts are
    letters of their words and stay: the vowels of Hindi, Tamil and Thai, the points of Arabic and Hebrew.
    """
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_KEPT)
    plain = _STRESSED.sub(r"\1\2", _MARKED.sub(r"\1", _STRAY.sub("", apart)))
    return " ".join(unicodedata.normalize("NFKC", plain).split())


RULES: dict[str, Any] = {
    "base_tokenizer": "icu",
    "language": "English",
    "stem": True,
    "remove_stop_words": False,
    "ascii_folding": False,
    "max_token_length": None,
}
"""How the full-text index cuts texts into words; a longest word would leave out longer ones, of questions too."""


def index_words(table: Any, column: str = COLUMN) -> None:
    """Make, or replace, the full-text index of a column of a LanceDB table that holds `normalised` texts."""
    from lancedb.index import FTS

    table.create_index(column, config=FTS(**RULES), replace=True)


def has_word_index(table: Any) -> bool:
    """Whether a table has its full-text index, of these rules. Without it Lance searches too, but by other rules."""
    return any(
        COLUMN in index.columns and RULES.items() <= (index.index_details or {}).items()
        for index in table.list_indices()
    )


def find_words(
    table: Any, words: str, k: int, *, column: str = COLUMN, where: str | None = None, key: str = "id"
) -> list[tuple[Any, float]]:
    """The `key` and the score of the k texts that have all the words, best first. `where` is SQL of where/sql.py.

    Raises SearchIndexError when the column has no full-text index.
    """
    from lancedb.query import FullTextOperator, MatchQuery

    counted = [word for word in normalised(words).split() if word not in LEFT_OUT]
    if not counted:
        return []
    asked = MatchQuery(" ".join(counted), column, operator=FullTextOperator.AND)
    query = table.search(asked, query_type="fts").select([key, "_score"]).limit(k)
    try:
        found = (query.where(where) if where else query).to_arrow()
    except (OSError, RuntimeError, ValueError) as error:
        cause = " ".join(str(error).split())[:120]
        raise SearchIndexError(
            f"the words of the index cannot be searched ({cause}); texts would not be found. "
            "Run the same `vlsa index` command again."
        ) from error
    return [*zip(found.column(key).to_pylist(), found.column("_score").to_pylist(), strict=True)]
