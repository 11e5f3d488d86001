"""An index of made vectors with structure, and questions about it, for the benches of search.

Topics of many sizes, a part that all vectors have in common, noise; questions as words ask: near a window, and moved
away from all windows. Used by search.py.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from vlsa.data.loading.tokenizer import TextCoverage
from vlsa.retrieve.encode.sampling import Sampling
from vlsa.retrieve.encode.unit_vectors import unit_length
from vlsa.retrieve.index.file_facts import FileFacts, file_id
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.rows import IndexRow

WIDTH, LATENT, NUM_TOPICS = 256, 48, 3000
PER_FILE, PER_TEXT, NUM_WORDS, NUM_FOLDERS = 500, 50, 2000, 10
ROWS_AT_ONCE = 20_000


class Made:
    """Vectors of one column, as a model would give: a topic each, what all have in common, and noise."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._basis = np.linalg.qr(generator.standard_normal((WIDTH, LATENT)))[0].T.astype(np.float32)
        self._topics = unit_length(generator.standard_normal((NUM_TOPICS, LATENT)).astype(np.float32))
        self._common, self._apart = unit_length(generator.standard_normal((2, WIDTH)).astype(np.float32))
        self._common *= np.float32(0.7)
        shares = 1 / np.arange(1, NUM_TOPICS + 1) ** 0.7
        self._shares = shares / shares.sum()

    def rows(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """So many windows."""
        topics = self._topics[generator.choice(NUM_TOPICS, count, p=self._shares)]
        within = topics + 0.8 * _directions(generator, count, LATENT)
        return unit_length(
            unit_length(within @ self._basis + 0.5 * _directions(generator, count, WIDTH)) + self._common
        )

    def questions(self, generator: np.random.Generator, near: np.ndarray) -> np.ndarray:
        """Words about these windows: as far from them as words are, and all moved the same way."""
        return unit_length(near + 1.0 * _directions(generator, len(near), WIDTH) + self._apart)


def _directions(generator: np.random.Generator, count: int, width: int) -> np.ndarray:
    return generator.standard_normal((count, width), dtype=np.float32) / np.sqrt(np.float32(width))


class MadeEncoder:
    """Knows the vectors of the made questions by their words; with `tiny` it also encodes the words by that."""

    fusion = "cosine"
    fingerprint = "made-vectors"
    about = MappingProxyType({"recipe": "made", "sampling": Sampling().as_dict()})

    def __init__(self, spaces: Sequence[str], questions: Mapping[str, np.ndarray], tiny: Any = None) -> None:
        self.spaces, self.width = tuple(spaces), WIDTH * len(spaces)
        self._questions, self._tiny = questions, tiny

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        if self._tiny is not None:
            self._tiny.encode_text(["a small red ball bounces and rings twice" for _ in texts])
        return np.stack([self._questions[text] for text in texts])

    def coverage(self, text: str) -> TextCoverage:
        return TextCoverage(tuple(text.split()), (), len(text.split()))

    def with_sampling(self, sampling: Sampling) -> "MadeEncoder":
        assert sampling == Sampling()
        return self


def in_spaces(rows: np.ndarray, modality: str, spaces: Sequence[str]) -> np.ndarray:
    """The vector in each space of the modality, turned differently, and zeros elsewhere."""
    parts = [
        np.roll(rows, 7 * number, axis=1) if space == "all" or modality in space.split("-") else 0 * rows
        for number, space in enumerate(spaces)
    ]
    return np.concatenate(parts, axis=1)


def index_rows(
    generator: np.random.Generator, made: Made, spaces: Sequence[str], first: int, count: int
) -> Iterator[IndexRow]:
    """Windows of three seconds, half a window apart, and a cue at each fiftieth."""
    seen = made.rows(generator, count)
    heard = unit_length(seen + 0.7 * made.rows(generator, count))
    video, audio = in_spaces(seen, "video", spaces), in_spaces(heard, "audio", spaces)
    cues = in_spaces(made.rows(generator, count // PER_TEXT + 1), "text", spaces)
    for number in range(count):
        path, start = path_of((first + number) // PER_FILE), 1.5 * ((first + number) % PER_FILE)
        at = {"path": path, "spaces": tuple(spaces), "start_seconds": start, "stop_seconds": start + 3.0}
        name = f"{file_id(path)}-{start:.1f}"
        yield IndexRow(id=name, video=video[number], audio=audio[number], **at)
        if number % PER_TEXT == 0:
            words = " ".join(f"w{word}" for word in generator.zipf(1.3, 6) % NUM_WORDS)
            yield IndexRow(id=f"{name}-t", kind="text", texts=(words,), text_vector=cues[number // PER_TEXT], **at)


def path_of(file: int) -> str:
    """Files in folders, as filters name them."""
    return f"f{file % NUM_FOLDERS}/film-{file // NUM_FOLDERS}.mp4"


def make_index(path: Path, spaces: Sequence[str], num_rows: int, options: dict[str, Any]) -> None:
    """An index of made windows, as `vlsa index` would leave it."""
    generator, made = np.random.default_rng(1), Made(np.random.default_rng(0))
    index = Index.create(path, MadeEncoder(spaces, {}), source="/footage", **options)
    for first in range(0, num_rows, ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, num_rows - first)
        rows = [*index_rows(generator, made, spaces, first, count)]
        paths = sorted({row.path for row in rows})
        facts = [FileFacts(path=path, file_id=file_id(path), duration_seconds=1.5 * PER_FILE) for path in paths]
        index.add(rows, facts=facts)
        print(f"made {first + count:,} of {num_rows:,} rows", file=sys.stderr)
    index.compact()


def made_questions(spaces: Sequence[str], count: int) -> dict[str, np.ndarray]:
    """Vectors of questions by their words, of which some occur in cues."""
    generator, made = np.random.default_rng(2), Made(np.random.default_rng(0))
    vectors = in_spaces(made.questions(generator, made.rows(generator, count)), "text", spaces)
    words = generator.zipf(1.3, (count, 2)) % NUM_WORDS
    return {f"w{one} w{other} w{number}": vectors[number] for number, (one, other) in enumerate(words)}
