"""Retrieval galleries as one HTML file: queries in each direction, their first answers, and the right one marked.

Reads retrieve/figures/answers.py and the clips of a store; feeds serve/figures.py. Frames and sounds lie inside the
file, each clip's once, so it needs neither a network nor other files. Style and player are those of report.py.
"""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from vlsa.base.errors import VlsaError
from vlsa.base.files import write_atomically
from vlsa.data.clip import Clip
from vlsa.data.store.codecs import encode_jpeg, encode_wav
from vlsa.retrieve.evaluate.results import direction_label
from vlsa.show.compute.answers import Answer, Asked
from vlsa.show.report import page

STRIP_FRAMES, STRIP_FRAME_PX, SMALLEST_FRAME_PX, GAP_PX = 4, 160, 96, 3
JPEG_QUALITY = 82
COMPARED = {"video": "picture", "audio": "sound", "text": "words", "media": "picture and sound"}
NOTE = (
    "Queries lie at even distances in the split; nobody picked them. The model compares only what the heading names: "
    "picture, sound and words of a clip are shown together so that people can judge. Four frames a clip, left to "
    "right, then down. Scores are cosines, and may be compared within one list only. A dashed answer is the right one, "
    "shown although it is not among the first."
)


@dataclass(frozen=True)
class Medium:
    """A clip as the page shows it, as data URIs ("" where it has none), with its words."""

    name: str
    picture: str
    sound: str
    texts: tuple[str, ...]


def medium_of(clip: Clip) -> Medium:
    """Four frames of a clip in one JPEG, its sound as WAV."""
    picture = sound = ""
    if clip.frames is not None:
        picture = _data_uri("image/jpeg", encode_jpeg(strip(clip.frames), JPEG_QUALITY))
    if clip.sound is not None and clip.sample_rate_hz:
        sound = _data_uri("audio/wav", encode_wav(clip.sound, clip.sample_rate_hz))
    return Medium(clip.id, picture, sound, clip.texts)


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def strip(frames: np.ndarray) -> np.ndarray:
    """Four frames at even distances (uint8 F H W 3) in two rows of two with a white gap, each at most 160 px wide."""
    from PIL import Image

    chosen = np.linspace(0, len(frames) - 1, STRIP_FRAMES + 2).round().astype(int)[1:-1]
    height, width = frames.shape[1:3]
    size = min(max(width, SMALLEST_FRAME_PX), STRIP_FRAME_PX)
    small = [Image.fromarray(frames[k]).resize((size, max(round(size * height / width), 1))) for k in chosen]
    high, wide = small[0].height, small[0].width
    whole = np.full((2 * high + GAP_PX, 2 * wide + GAP_PX, 3), 255, np.uint8)
    for number, image in enumerate(small):
        top, left = (number // 2) * (high + GAP_PX), (number % 2) * (wide + GAP_PX)
        whole[top : top + high, left : left + wide] = np.asarray(image)
    return whole


def shown_clips(found: Iterable[Asked]) -> list[int]:
    """Rows of all clips that a page of these queries shows, ascending."""
    clips = {answer.clip for one in found for answer in (*one.answers, one.right)}
    return sorted(clips | {one.clip for one in found})


def write_gallery(
    path: str | Path, found: Sequence[Asked], medium: Callable[[int], Medium], *, title: str, summary: str = ""
) -> Path:
    """Write the page and return its path. `medium` gives a clip by its row, and is asked once for each.

    Raises VlsaError when there is no query.
    """
    if not found:
        raise VlsaError(f"{path}: no clip has two modalities, so there is nothing to ask. Choose another split.")
    media = {row: medium(row) for row in shown_clips(found)}
    sections = [f'<p class="quiet">{NOTE}</p>']
    for direction in dict.fromkeys(one.direction for one in found):
        asked = [one for one in found if one.direction == direction]
        ranks = ", ".join(f"{one.rank:g}" for one in asked)
        sections.append(
            f'<h2 id="{direction}">{direction_label(direction)}</h2><p class="quiet">Ranks of the right answer among '
            f"{asked[0].num_items:,}: {ranks}.</p>"
        )
        sections += [_section(one, media) for one in asked]
    directions = dict.fromkeys(one.direction for one in found)
    links = "".join(f'<a href="#{name}">{direction_label(name)}</a>' for name in directions)
    sections.insert(0, f'<nav class="directions">{links}</nav>')
    sections.append(_media(media))
    write_atomically(Path(path), page(title, summary, sections, more="gallery"))
    return Path(path)


def _media(media: dict[int, Medium]) -> str:
    """Each clip's data once; the script puts it where it is shown. Base64 only, so nothing in it ends the element."""
    data = {row: [one.picture, one.sound] for row, one in media.items()}
    return (
        f'<script type="application/json" id="media">{json.dumps(data)}</script>'
        "<noscript><p>Pictures and sounds are shown by a script inside this page; scripts are turned off here.</p>"
        "</noscript>"
    )


def _section(one: Asked, media: dict[int, Medium]) -> str:
    query, item = one.direction.split("_to_")
    kind = f'<span class="kind">{COMPARED[query]} → {COMPARED[item]}</span>'
    question = f'<div class="question">{kind}{_question(one, query, media[one.clip])}</div>'
    cards = "".join(_card(answer, media[answer.clip], item) for answer in one.answers)
    if not any(answer.right for answer in one.answers):
        cards += _card(one.right, media[one.right.clip], item, after=True)
    return f'<section class="search card">{question}<ol class="hits">{cards}</ol></section>'


def _question(one: Asked, query: str, medium: Medium) -> str:
    if query == "text":
        return f"<q>{escape(one.text)}</q>"
    words = f"<small>{escape(medium.texts[0])}</small>" if medium.texts else ""
    return (_picture(one.clip, medium) if query == "video" else _sound(one.clip)) + words


def _card(answer: Answer, medium: Medium, item: str, after: bool = False) -> str:
    mark = "<em>✓ right</em>" if answer.right else ""
    kind = " ".join(name for name, on in (("right", answer.right), ("after", after), (f"by-{item}", True)) if on)
    words = answer.text or (medium.texts[0] if medium.texts else "")
    text = f'<p class="words">{escape(words)}</p>' if words else ""
    place = f'<span class="place"><b>{answer.place}</b>{mark}<span>score {answer.score:.2f}</span></span>'
    media = (_picture(answer.clip, medium) if medium.picture else '<p class="none">no picture</p>') + (
        _sound(answer.clip) if medium.sound else '<p class="none silent">no sound</p>'
    )
    return f'<li class="{kind}">{media}<div>{place}{text}<small>{escape(medium.name)}</small></div></li>'


def _picture(row: int, medium: Medium) -> str:
    return f'<img alt="four frames of {escape(medium.name, quote=True)}" data-clip="{row}">'


def _sound(row: int) -> str:
    return f'<audio controls controlslist="nodownload noplaybackrate" preload="metadata" data-clip="{row}"></audio>'
