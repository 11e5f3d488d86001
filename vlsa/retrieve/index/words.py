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
_MARKED = re.compile("([a-z])[\u0300-\u036f]+")
_BREAK = re.compile(r"[\W_]+")


def normalised(text: str) -> str:
    """A text as it is compared: lower case, one form of each letter, no accents on Latin letters, one space a gap."""
    plain = _MARKED.sub(r"\1", unicodedata.normalize("NFKD", text.casefold()))
    return _BREAK.sub(" ", unicodedata.normalize("NFKC", plain)).strip()


def index_words(table: Any, column: str = COLUMN) -> None:
    """Make, or replace, the full-text index of a column of a LanceDB table that holds `normalised` texts."""
    from lancedb.index import FTS

    config = FTS(base_tokenizer="icu", language="English", stem=True, remove_stop_words=False, ascii_folding=False)
    table.create_index(column, config=config, replace=True)


def has_word_index(table: Any) -> bool:
    """Whether a table has its full-text index. Without it Lance searches too, but by other rules."""
    return any(COLUMN in index.columns for index in table.list_indices())


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
        rows = (query.where(where) if where else query).to_list()
    except (OSError, RuntimeError, ValueError) as error:
        cause = " ".join(str(error).split())[:120]
        raise SearchIndexError(
            f"the words of the index cannot be searched ({cause}); texts would not be found. "
            "Run the same `vlsa index` command again."
        ) from error
    return [(row[key], float(row["_score"])) for row in rows]
