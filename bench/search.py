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
from collections.abc import Callable, Sequence
from importlib import metadata, util
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from made_index import MadeEncoder, made_questions, make_index
from records import above_zero, circumstances, exit_status, finish

from vlsa.retrieve.encode.unit_vectors import fuse
from vlsa.retrieve.search.candidates import MOST_EXACT
from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.pieces import question_of

MOST_HNSW = 200_000  # of more, HNSW takes many minutes to make
PAIRS = ("audio-video", "audio-text", "video-text")
FILTERS = {"no filter": None, "a tenth": "folder = 'f3'", "a hundredth": "folder = 'f3' and name like '*3.mp4'"}
"""What is asked, by the share of the windows that is kept."""


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
