"""From the parts of a question to vectors, and what each is compared with.

Reads a question and an encoder; feeds answer.py. Words are compared with the target: with video and audio together
(`media`), or with one of the three alone. An example is compared with its own kind: the sound of a file with sound, its
frames with video; a clip has both, each with half of the weight. Where one target is named, by the question or by the
part, an example is compared with that. An encoder without a space for it says so. An example that is longer than the
model's window is several questions, one for each of its windows, and the best of their cosines counts.
Axes: D width of a vector in all its spaces, Q windows of an example.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from vlsa.base.errors import MediaError, VlsaError
from vlsa.retrieve.index import query
from vlsa.retrieve.search.question import Part, Question
from vlsa.retrieve.search.spans import Span, clock

if TYPE_CHECKING:
    from vlsa.data.clip import Clip
    from vlsa.retrieve.encode.protocol import Encoder
    from vlsa.retrieve.encode.sampling import WindowSpec

_LOG = logging.getLogger(__name__)
MOST_WINDOWS = 32
"""Of an example, spread evenly over it: they cover 95 s of it with the recipe tiny, and 190 s with `paper`."""
Stored = Callable[[Span], Mapping[str, Float32[np.ndarray, "Q D"]]]
"""The vectors, by modality, of a stretch that the index holds."""
Decode = Callable[["WindowSpec", Span, str], "Sequence[Clip]"]
"""The windows of a file, or of a stretch of it, that have a modality."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What windows are compared with: cosine = dot product / num_spaces, the best one of several vectors."""

    weight: float
    modality: str
    """Of the question: text, audio or video."""
    column: str
    """What it is compared with: media, video, audio or text."""
    vectors: Float32[np.ndarray, "Q D"]
    """One; of an example that is longer than a window several."""
    num_spaces: int
    space: int | None = None
    """Where the encoder's spaces share no scale: the one that this is compared in, and ranked alone."""


def decode_example(spec: "WindowSpec", span: Span, modality: str) -> "Sequence[Clip]":
    """The windows of a file, or of a stretch of it as far as the file goes, that have a modality.

    Decoded in this process; none where it has nothing of that modality. Raises MediaError.
    """
    from vlsa.data.ingest.manifest import ClipRow
    from vlsa.data.media.decode import probe
    from vlsa.retrieve.encode.sampling import decode_file, decode_windows

    if span.start_seconds is None or span.stop_seconds is None:
        return decode_file(spec, span.path, modality)
    facts = probe(span.path)
    if span.start_seconds >= facts.duration_seconds:
        raise MediaError(
            f"{span.path}: ends at {clock(facts.duration_seconds)}; there is nothing at {clock(span.start_seconds)} to "
            "ask with. Choose a stretch within the file.",
            reason="nothing",
        )
    stop_seconds = min(span.stop_seconds, facts.duration_seconds)
    row = ClipRow("question", span.path, span.start_seconds, stop_seconds, (), "test")
    try:
        windows = decode_windows(spec, row, video=modality == "video", audio=modality == "audio", facts=facts)
    except MediaError as error:
        if error.reason in ("nothing", "no_video", "no_sound"):
            return []
        raise
    return [window for window in windows if (window.frames if modality == "video" else window.sound) is not None]


def asked_vectors(
    question: Question,
    encoder: "Encoder",
    stored: Stored,
    occurs: Callable[[str], bool] = lambda words: False,
    decode: Decode = decode_example,
) -> list[Asked]:
    """All parts encoded. Raises VlsaError for a part that cannot be asked, MediaError for an unreadable file.

    Words that the encoder does not know are left out, with a warning, if they occur in the texts of the index, or if
    quoted phrases, which each answer has, are asked for.
    """
    found = []
    for part in question.parts:
        compared = _compared(part, question.target_of(part), encoder.spaces)
        try:
            vectors = _vectors(part, tuple(compared), encoder, stored, decode)
        except query.UnknownWordsError:
            is_found = question.finds_words(part) and occurs(part.value)
            if not is_found and not question.phrases:
                raise
            found_are = "texts in which they occur" if is_found else "moments with the quoted words"
            _LOG.warning("the model knows no word of %r; found are %s", part.value[:80], found_are)
            continue
        for modality, rows in vectors.items():
            found += _asked(part.weight / len(vectors), modality, *compared[modality], rows, encoder)
    return found


def _asked(
    weight: float,
    modality: str,
    column: str,
    num_spaces: int,
    vectors: Float32[np.ndarray, "Q D"],
    encoder: "Encoder",
) -> list[Asked]:
    """One question; of an encoder whose spaces share no scale one for each space, with zeros elsewhere."""
    if encoder.fusion != "rank":
        return [Asked(weight, modality, column, vectors, num_spaces)]
    found = []
    for part, number in query.comparisons(modality, column, encoder.spaces):
        whole = vectors.reshape(len(vectors), len(encoder.spaces), -1)
        alone = np.zeros_like(whole)
        alone[:, number] = whole[:, number]
        found.append(Asked(weight, modality, part, alone.reshape(vectors.shape), 1, number))
    return found


MODALITIES: Mapping[str, tuple[str, ...]] = {
    "text": ("text",),
    "audio": ("audio",),
    "video": ("video",),
    "image": ("video",),
    "clip": ("video", "audio"),
    "moment": ("video", "audio"),
}
"""What each kind of part asks with."""


def _compared(part: Part, target: str, spaces: tuple[str, ...]) -> dict[str, tuple[str, int]]:
    """For each modality of a part the column, and how many spaces they share. Raises VlsaError when there is none."""
    found: dict[str, tuple[str, int]] = {}
    refused = None
    for modality in MODALITIES[part.kind]:
        column = modality if target == "media" and modality != "text" else target
        try:
            found[modality] = query.compared_with(modality, column, spaces)
        except VlsaError as error:
            refused = error
    if refused is not None and not found:
        raise refused
    return found


def _vectors(
    part: Part, modalities: tuple[str, ...], encoder: "Encoder", stored: Stored, decode: Decode
) -> Mapping[str, Float32[np.ndarray, "Q D"]]:
    """The vectors of a part in those modalities that it has."""
    if part.kind == "text":
        return {"text": query.text_vector(part.value, encoder)[None]}
    if part.kind == "moment":
        vectors = stored(part.span)
        return {modality: vectors[modality] for modality in modalities if modality in vectors} or _nothing(part)
    return _of_file(part, modalities, encoder, decode)


def _of_file(
    part: Part, modalities: tuple[str, ...], encoder: "Encoder", decode: Decode
) -> dict[str, Float32[np.ndarray, "Q D"]]:
    """A vector for each window of a file, or of a stretch of it; of several modalities those that it has.

    Raises MediaError when it has none.
    """
    span = Span(part.value) if part.kind == "image" else part.span
    spec = encoder.window
    spec = replace(spec, sampling=replace(spec.sampling, num_windows=MOST_WINDOWS))
    found: dict[str, Float32[np.ndarray, "Q D"]] = {}
    for modality in modalities:
        if windows := decode(spec, span, modality):
            encode = encoder.encode_video if modality == "video" else encoder.encode_audio
            rows = encode(windows)
            found |= {modality: rows[rows.any(axis=1)]} if rows.any() else {}
    if not found and span.start_seconds is None:
        from vlsa.retrieve.encode.media_encoder import absent

        raise absent(span.path, modalities[-1])
    return found or _nothing(part)


def _nothing(part: Part) -> dict[str, Float32[np.ndarray, " D"]]:
    span = part.span
    times = "" if span.start_seconds is None else f" at {clock(span.start_seconds)}-{clock(span.stop_seconds or 0)}"
    raise MediaError(
        f"{span.path}: nothing{times} that can be compared with {part.kind}; any answer would be chance. "
        "Choose another stretch or another file.",
        reason="nothing",
    )
