"""How fast is a question answered, of how many windows, and how many of the right ones does it find?

Why: an archivist asks many questions of many hours. Up to 100,000 windows every vector is compared; above, the answer
comes from candidates. A real index of made vectors with structure (topics of many sizes, a part that all have in
common, noise) is asked by vectors like those of words: near a window, and moved away from all windows. The whole
question is timed, from words to moments: filter, full-text search, stand-out, moments, and why. Beside it, on the same
vectors: an exact product in NumPy, and faiss (exact, and its HNSW and IVF-SQ8) where it is installed, which answer with
row numbers alone. Recall@10 is the share of the ten windows with the highest cosines that is found.

Run: python bench/search.py [--rows 100000] [--num-spaces 1] [--vectors float32] [--index FOLDER] [--out FILE]
FOLDER keeps the index. A minute for 100,000 rows; ten for a million. The last line is one JSON record.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata, util
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from records import above_zero, circumstances, exit_status, finish

from vlsa.data.loading.tokenizer import TextCoverage
from vlsa.retrieve.encode.sampling import Sampling
from vlsa.retrieve.encode.unit_vectors import fuse, unit_length
from vlsa.retrieve.index.file_facts import FileFacts, file_id
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.rows import IndexRow
from vlsa.retrieve.search.candidates import MOST_EXACT
from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.pieces import question_of

WIDTH, LATENT, NUM_TOPICS = 256, 48, 3000
PER_FILE, PER_TEXT, NUM_WORDS, NUM_FOLDERS = 500, 50, 2000, 10
ROWS_AT_ONCE, MOST_HNSW = 20_000, 200_000  # of more, HNSW takes many minutes to make
PAIRS = ("audio-video", "audio-text", "video-text")
FILTERS = {"no filter": None, "a tenth": "folder = 'f3'", "a hundredth": "folder = 'f3' and name like '*3.mp4'"}
"""What is asked, by the share of the windows that is kept."""


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


def timed(ask: Callable[[int], Any], count: int) -> tuple[dict[str, float], list[Any]]:
    """Milliseconds over questions, after three to warm up, and the answers.

    A busy machine changes `processor_ms` least.
    """
    for number in range(min(3, count)):
        ask(number)
    taken, processor, answers = [], [], []
    for number in range(count):
        started, used = time.perf_counter(), time.process_time()
        answers.append(ask(number))
        processor.append(1e3 * (time.process_time() - used))
        taken.append(1e3 * (time.perf_counter() - started))
    p50, p95 = np.percentile(taken, (50, 95))
    times = {"p50_ms": p50, "p95_ms": p95, "fastest_ms": min(taken), "processor_ms": np.median(processor)}
    return {name: round(float(time_ms), 1) for name, time_ms in times.items()}, answers


def recall(found: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> float:
    """Share of the right rows that were found."""
    return round(float(np.mean([np.isin(one, other).mean() for one, other in zip(right, found, strict=True)])), 3)


def beside(vectors: np.ndarray, questions: np.ndarray) -> dict[str, Any]:
    """NumPy, and faiss where it is, on the same vectors."""
    results: dict[str, Any] = {}

    def plain(number: int) -> np.ndarray:
        scores = vectors @ questions[number]
        best = np.argpartition(scores, -10)[-10:]
        return best[np.argsort(-scores[best])]

    results["NumPy, exact"], right = timed(plain, len(questions))
    if util.find_spec("faiss") is None:
        return results
    import faiss

    width = vectors.shape[1]
    kinds = {"exact": "Flat", "IVF-SQ8": f"IVF{max(len(vectors) // 1000, 4)},SQ8"}
    if len(vectors) <= MOST_HNSW:
        kinds["HNSW"] = "HNSW32"
    for name, kind in kinds.items():
        index = faiss.index_factory(width, kind, faiss.METRIC_INNER_PRODUCT)
        started = time.perf_counter()
        index.train(vectors[:: max(len(vectors) // 50_000, 1)])
        index.add(vectors)
        made_in = time.perf_counter() - started
        with contextlib.suppress(AttributeError):
            index.nprobe = 32
        times, found = timed(lambda n, index=index: index.search(questions[n : n + 1], 10)[1][0], len(questions))
        results[f"faiss {name}"] = {**times, "recall": recall(found, right), "made_in_s": round(made_in, 1)}
    return results


def asked(
    library: Library, texts: Sequence[str], where: str | None, exact: bool = False
) -> tuple[dict[str, Any], list]:
    """Times of whole questions, and the ten best windows of each."""
    times, answers = timed(lambda n: library.ask(question_of(texts[n], where=where), exact=exact), len(texts))
    return times, [{(one.path, one.best_start_seconds) for one in answer.moments} for answer in answers]


def measure(library: Library, texts: Sequence[str]) -> dict[str, Any]:
    """By filter: the times of questions; above the size from which answers are approximate, also of exact ones."""
    results: dict[str, Any] = {}
    for name, where in FILTERS.items():
        times, found = asked(library, texts, where)
        results[name] = times
        if len(library.tables.searched.windows) > MOST_EXACT:
            exact, right = asked(library, texts, where, exact=True)
            shares = [len(one & other) / max(len(one), 1) for one, other in zip(right, found, strict=True)]
            results[name] |= {"recall": round(float(np.mean(shares)), 3), "exact": exact}
        print(f"{name:<14} {results[name]}", flush=True)
    return results


def tiny_encoder() -> Any:
    """An untrained model of the recipe tiny."""
    from vlsa.config.recipes import recipe
    from vlsa.data.loading.tokenizer import Tokenizer
    from vlsa.pretrain.checkpoint import build_model
    from vlsa.retrieve.encode.encoders import VlsaEncoder

    config = recipe("tiny")
    tokenizer = Tokenizer.of_size(config.model.text.vocabulary_size)
    return VlsaEncoder(build_model(config, tokenizer).eval(), tokenizer)


def made_by_another_process(path: Path, spaces: Sequence[str], options: argparse.Namespace) -> None:
    """The index, if it is not there: its making counts neither as time nor as memory."""
    if not (path / "index.json").exists():
        settings = {"vectors": options.vectors}
        maker = get_context("spawn").Process(target=make_index, args=(path, spaces, options.rows, settings))
        maker.start()
        maker.join()


def memory_mib(name: str) -> int:
    """VmHWM is the most memory that this process has had, RssAnon what it holds now of its own."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) // 1024


def results_of(path: Path, spaces: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """All that is measured of an index."""
    questions = made_questions(spaces, options.questions)
    results: dict[str, Any] = {}
    for name, tiny in {"without encoder": None, **({"with tiny": tiny_encoder()} if options.tiny else {})}.items():
        started = time.perf_counter()
        library = Library.open(path, encoder=MadeEncoder(spaces, questions, tiny))
        library.ask(question_of(next(iter(questions))))
        results["first_answer_s"] = round(time.perf_counter() - started, 1)
        results[name] = measure(library, [*questions])
        results |= {f"{kind}_mib": memory_mib(kind) for kind in ("VmHWM", "RssAnon")} if tiny is None else {}
        print({name: value for name, value in results.items() if name.endswith(("_s", "_mib"))}, flush=True)
    if options.beside:
        stored = library.tables.searched.vectors
        vectors = fuse({name: stored[name].astype(np.float32) for name in ("video", "audio")}, spaces)
        results["beside"] = beside(vectors, np.stack([*questions.values()]))
    return results


def main() -> int:
    """Measure, print a table and the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=above_zero(int), default=100_000, help="windows, each with video and audio")
    parser.add_argument("--num-spaces", type=int, choices=(1, 3), default=1, help="one for all, or one a pair")
    parser.add_argument("--vectors", choices=("float32", "float16"), default="float32", help="how they are stored")
    parser.add_argument("--questions", type=above_zero(int), default=50, help="of each kind")
    parser.add_argument("--index", type=Path, help="folder that keeps the index")
    parser.add_argument("--tiny", action="store_true", help="time a text encoder of the recipe tiny along")
    parser.add_argument("--beside", action="store_true", help="time NumPy and faiss on the same vectors")
    parser.add_argument("--out", type=Path, help="results file")
    options = parser.parse_args()
    spaces = ("all",) if options.num_spaces == 1 else PAIRS
    with tempfile.TemporaryDirectory() as folder:
        path = options.index or Path(folder) / "index"
        made_by_another_process(path, spaces, options)
        results = results_of(path, spaces, options)
    facts = circumstances()
    facts["versions"] |= {name: metadata.version(name) for name in ("lancedb", "numpy")}
    asked = {name: getattr(options, name) for name in ("rows", "num_spaces", "vectors", "questions")}
    return finish({"bench": "search", **asked, **facts, "results": results}, options.out)


if __name__ == "__main__":
    sys.exit(exit_status(main))
