"""One page that shows what a model can do: its scores, its training curve, and searches whose answers can be played.

Reads evaluations (retrieve/results.py), hits (retrieve/search.py) and a picture (curves.py); writes one HTML file with
style and script inside. Only the media stay outside, linked relative to the page, so that all can be moved together.
"""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from vlsa.base.files import write_atomically
from vlsa.retrieve.evaluate.metrics import Scores
from vlsa.retrieve.evaluate.results import TABLE_RECALL_AT, DirectionResult, Evaluation, direction_label
from vlsa.retrieve.index.query import Hit

STATIC = Path(__file__).parent / "static"
SOUND_SUFFIXES = frozenset((".wav", ".mp3", ".flac", ".m4a", ".aac", ".ogg", ".opus"))
KINDS = {"text": "words", "audio": "a sound", "video": "a video", "image": "an image"}

SEARCH_NOTE = (
    "The best clips of the index for each question; press play. "
    "Rank is what counts: a score may be compared within one list only."
)


@dataclass(frozen=True)
class SearchShown:
    """A question and its answers, best first."""

    kind: Literal["text", "audio", "video", "image"]
    question: str
    """The words, or the path of the file that was asked with."""
    hits: Sequence[Hit]
    note: str = ""
    """A line under the question, such as what was searched in."""
    answer: str = ""
    """The file that the question was taken from, if it was: marked among the hits, or said to be missing there."""


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

    `evaluations`: heading and result, a table each. `searches`: shown with players. `files`: what it is, and where.
    """
    path = Path(path)
    folder = path.parent.absolute()
    sections = [_evaluation(heading, evaluation) for heading, evaluation in evaluations]
    if curves_png is not None:
        sections.append(_curves(Path(curves_png)))
    if searches:
        sections.append(f'<h2>Searches</h2><p class="quiet">{SEARCH_NOTE}</p>')
    sections += [_search(shown, folder) for shown in searches]
    if files:
        sections.append(_files(files, folder))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page(title, summary, sections))
    return path


def page(title: str, summary: str, sections: Sequence[str], more: str = "") -> bytes:
    """An HTML page of these sections (markup); `more` names a further style and script beside those of the report.

    What is not UTF-8 in the name of a file is shown as "?".
    """
    names = ["report", *([more] if more else [])]
    style, script = (
        "".join((STATIC / f"{name}.{ending}").read_text(encoding="utf-8") for name in names) for ending in ("css", "js")
    )
    about = f"<p>{escape(summary)}</p>" if summary else ""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>\n{style}</style>'
    )
    body = "\n".join([f"<header><h1>{escape(title)}</h1>{about}</header>", *sections, f"<script>\n{script}</script>"])
    whole = f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'
    return whole.encode(errors="replace")


def _evaluation(heading: str, evaluation: Evaluation) -> str:
    names = ("direction", *(f"R@{k} %" for k in TABLE_RECALL_AT), "MedR", "queries", "gallery")
    header = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(_direction(result) for result in evaluation.directions.values())
    for post in evaluation.post:
        rows += "".join(_direction(result, f", {post.name}") for result in post.directions.values())
    table = f'<div class="card scroll"><table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></div>'
    legend = "Under each score: its 95% interval, and what chance would give."
    notes = " ".join([evaluation.caption(), legend, *evaluation.notes()])
    return f'<h2>{escape(heading)}</h2>{table}<p class="quiet">{escape(notes)}</p>'


def _direction(result: DirectionResult, post: str = "") -> str:
    scores, chance = result.scores, result.chance
    cells = [f"<td>{escape(direction_label(result.direction) + post)}</td>"]
    cells += [_recall(scores, chance, k) for k in TABLE_RECALL_AT]
    beside = _interval(scores.intervals.get("medr"), 1.0, ".0f") + f"<small>chance {chance.median_rank:g}</small>"
    cells += [
        f"<td>{scores.median_rank:g}{beside}</td>",
        f"<td>{scores.num_queries:,}</td>",
        f"<td>{scores.num_items:,}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _recall(scores: Scores, chance: Scores, k: int) -> str:
    if k not in scores.recall:
        return "<td>–</td>"
    percent = 100 * scores.recall[k]
    beside = _interval(scores.intervals.get(f"r{k}"), 100.0, ".0f")
    beside += f"<small>chance {100 * chance.recall[k]:.1f}</small>"
    return f'<td class="share" style="--share: {percent:.1f}%">{percent:.1f}{beside}</td>'


def _interval(ends: tuple[float, float] | None, factor: float, form: str) -> str:
    return f"<small>{factor * ends[0]:{form}} to {factor * ends[1]:{form}}</small>" if ends else ""


def _curves(picture: Path) -> str:
    data = base64.b64encode(picture.read_bytes()).decode()
    image = f'<img class="curves" alt="training curves" src="data:image/png;base64,{data}">'
    return f'<h2>Training</h2><div class="card">{image}</div>'


def _search(shown: SearchShown, folder: Path) -> str:
    kind = f'<span class="kind">{KINDS[shown.kind]}</span>'
    note = f"<small>{escape(shown.note)}</small>" if shown.note else ""
    hits = "".join(_hit(rank, hit, folder, shown.answer) for rank, hit in enumerate(shown.hits, 1))
    answers = f'<ol class="hits">{hits}</ol>' if hits else '<p class="quiet">Nothing found.</p>'
    if shown.answer and not any(_same_file(hit.path, shown.answer) for hit in shown.hits):
        answers += f'<p class="quiet">{escape(Path(shown.answer).name)}, asked about, is not among these.</p>'
    question = f'<div class="question">{kind}{_question(shown, folder)}{note}</div>'
    return f'<section class="search card">{question}{answers}</section>'


def _question(shown: SearchShown, folder: Path) -> str:
    if shown.kind == "text":
        return f"<q>{escape(shown.question)}</q>"
    link = _link(shown.question, folder)
    if shown.kind == "image":
        return f'<img alt="the image asked with" src="{link}">'
    name = "audio" if shown.kind == "audio" else "video"
    return f'<{name} controls preload="metadata" src="{link}"></{name}>'


def _same_file(one: str, other: str) -> bool:
    return os.path.abspath(one) == os.path.abspath(other)


def _hit(rank: int, hit: Hit, folder: Path, answer: str) -> str:
    right = bool(answer) and _same_file(hit.path, answer)
    name = "audio" if Path(hit.path).suffix.lower() in SOUND_SUFFIXES else "video"
    times = f'data-start="{hit.start_seconds:.3f}" data-stop="{hit.stop_seconds:.3f}"'
    source = f"{_link(hit.path, folder)}#t={hit.start_seconds:.3f},{hit.stop_seconds:.3f}"
    player = f'<{name} controls playsinline preload="metadata" {times} src="{source}"></{name}>'
    place = f"<b>{rank}</b><span>{clock(hit.start_seconds)} to {clock(hit.stop_seconds)}</span>"
    place += "<em>✓ asked about</em>" if right else ""
    words = f'<p class="words">{escape(hit.text.splitlines()[0])}</p>' if hit.text else ""
    about = (
        f'<span class="place">{place}</span>{words}<small>{escape(Path(hit.path).name)}, score {hit.score:.2f}</small>'
    )
    kind = ' class="right"' if right else ""
    return f"<li{kind}>{player}<div>{about}</div></li>"


def clock(seconds: float) -> str:
    """Seconds as people read them: 0:07.5, 1:02:03."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02d}:{shown}" if hours else f"{minutes}:{shown}"


def _files(files: Sequence[tuple[str, str | Path]], folder: Path) -> str:
    lines = "".join(
        f'<li>{escape(label)}: <a href="{_link(path, folder)}">{escape(str(path))}</a></li>' for label, path in files
    )
    return f'<h2>What was written</h2><ul class="files">{lines}</ul>'


def _link(target: str | Path, folder: Path) -> str:
    """The target relative to the page's folder, as a URL that is safe in an attribute."""
    return quote(os.path.relpath(Path(target).absolute(), folder))
