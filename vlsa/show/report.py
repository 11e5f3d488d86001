"""One page with the results of a model: its scores, its training curves, and searches whose results can be played.

Reads evaluations (retrieve/evaluate), moments (retrieve/search) and curves (plots/curves.py); the template is
templates/report.html. Media files are linked relative to the page, so that page and media can be moved together.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from vlsa.data.media.suffixes import SOUND_SUFFIXES
from vlsa.retrieve.evaluate.results import Evaluation
from vlsa.retrieve.search.moments import Moment
from vlsa.show.pages import data_uri, write_page


@dataclass(frozen=True)
class SearchShown:
    """A query and its results, best first."""

    kind: Literal["text", "audio", "video", "image"]
    question: str
    """The text of the query, or the path of its file."""
    hits: Sequence[Moment]
    note: str = ""
    """A line below the query, such as what was searched."""
    answer: str = ""
    """The file that the query was made from, if any: marked among the hits, or reported as missing."""
    like: str = ""
    """A second part of the query: the path of a file whose sound it should be like."""
    export: str = ""
    """A file that the hits were written to."""

    def is_expected(self, hit: Moment) -> bool:
        """Whether the query was made from the file of this hit."""
        return bool(self.answer) and os.path.abspath(hit.path) == os.path.abspath(self.answer)

    def expected_is_missing(self) -> bool:
        """Whether no hit is of the file that the query was made from."""
        return bool(self.answer) and not any(map(self.is_expected, self.hits))


def write_report(
    path: str | Path,
    evaluations: Sequence[tuple[str, Evaluation]],
    *,
    title: str = "VLSA",
    summary: str = "",
    curves_png: str | Path | None = None,
    searches: Sequence[SearchShown] = (),
    files: Sequence[tuple[str, str | Path]] = (),
) -> Path:
    """Write the page and return its path.

    `evaluations`: heading and result, one table each. `searches`: shown with players. `files`: label and path.
    """
    return write_page(
        path,
        "report.html",
        title=title,
        summary=summary,
        evaluations=evaluations,
        curves=data_uri("image/png", Path(curves_png).read_bytes()) if curves_png is not None else "",
        searches=searches,
        files=files,
        link=partial(_link, folder=Path(path).parent.absolute()),
        is_audio=lambda media: Path(media).suffix.lower() in SOUND_SUFFIXES,
        name_of=lambda media: Path(media).name,
    )


def _link(target: str | Path, folder: Path) -> str:
    """The target relative to the page's folder, as a URL."""
    return quote(os.path.relpath(Path(target).absolute(), folder))
