"""How long a person waits for the first thumbnails of a text question, over HTTP.

Why: an answer that comes within a third of a second is felt as immediate. An untrained model answers questions of made
words about an index of made vectors; every file is the same film of 150 s, so that thumbnails are really decoded. A
question is asked over HTTP as the page does it: the search, then the thumbnails of the first twelve answers over six
connections. Cold = none of them was made before; warm = the same question again.

Run: python bench/serve.py [--windows 100000] [--questions 20] [--out bench/results/serve.jsonl]. The last line of
stdout is one JSON record.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import av
import numpy as np
import uvicorn
from records import above_zero, circumstances, exit_status, finish

from vlsa.config.recipes import recipe
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.pretrain.checkpoint import build_model
from vlsa.retrieve.encode.encoders import VlsaEncoder
from vlsa.retrieve.encode.unit_vectors import unit_length
from vlsa.retrieve.index.file_facts import FileFacts, file_id
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.rows import IndexRow
from vlsa.serve.app import create_app
from vlsa.serve.http.settings import ServeSettings
from vlsa.serve.run import listening, page_address

WINDOWS_OF_FILE, STEP_SECONDS, FILM_SECONDS = 50, 3.0, 150
NUM_THUMBNAILS, NUM_CONNECTIONS = 12, 6
FRAMES_PER_SECOND, SIZE_PX = 25, (320, 180)


def write_film(path: Path) -> None:
    """A film of slowly changing noise, H.264 with a key frame every 10 s."""
    noise = np.random.default_rng(0).integers(0, 255, (SIZE_PX[1] // 4, SIZE_PX[0] // 4, 3), np.uint8)
    image = noise.repeat(4, axis=0).repeat(4, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"preset": "veryfast", "g": "250"})
        stream.width, stream.height = SIZE_PX
        for number in range(FILM_SECONDS * FRAMES_PER_SECOND):
            frame = av.VideoFrame.from_ndarray(np.roll(image, number, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def make_index(folder: Path, encoder: VlsaEncoder, num_windows: int) -> Path:
    """An index of made vectors, whose files are links to one film."""
    (folder / "footage").mkdir()
    write_film(folder / "film.mp4")
    index, made = Index.create(folder / "index", encoder, source=str(folder / "footage")), np.random.default_rng(0)
    for first in range(0, num_windows, 200 * WINDOWS_OF_FILE):
        files, rows = [], []
        for number in range(first, min(first + 200 * WINDOWS_OF_FILE, num_windows), WINDOWS_OF_FILE):
            path = f"{number // 10_000}/film-{number}.mp4"
            (folder / "footage" / path).parent.mkdir(exist_ok=True)
            os.link(folder / "film.mp4", folder / "footage" / path)
            facts = {"duration_seconds": float(FILM_SECONDS), "has_video": True, "has_audio": True}
            files.append(FileFacts(path=path, file_id=file_id(path), **facts))
            rows += _rows(files[-1], encoder, made)
        index.add(rows, facts=files)
    index.compact()
    return folder / "index"


def _rows(file: FileFacts, encoder: VlsaEncoder, made: np.random.Generator) -> list[IndexRow]:
    shape = (2, WINDOWS_OF_FILE, encoder.width)
    video, audio = (unit_length(one, len(encoder.spaces)) for one in made.normal(size=shape).astype(np.float32))
    return [
        IndexRow(
            id=f"{file.file_id}-{number}",
            path=file.path,
            spaces=encoder.spaces,
            start_seconds=number * STEP_SECONDS,
            stop_seconds=(number + 1) * STEP_SECONDS,
            video=video[number],
            audio=audio[number],
        )
        for number in range(WINDOWS_OF_FILE)
    ]


def ask(address: str, words: str, connections: ThreadPoolExecutor) -> tuple[float, float]:
    """Seconds to the answer of a question, and to the last of its first thumbnails."""
    body = json.dumps({"question": {"parts": [{"text": words}], "k": 24}}).encode()
    started = time.perf_counter()
    request = urllib.request.Request(f"{address}api/search", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        moments = json.load(response)["moments"]
    answered = time.perf_counter()
    shown = [moment["thumbnail"] for moment in moments[:NUM_THUMBNAILS]]
    for image in connections.map(lambda id: urllib.request.urlopen(f"{address}api/thumbnails/{id}").read(), shown):
        assert image.startswith(b"\xff\xd8"), image[:20]
    return answered - started, time.perf_counter() - started


def measure(address: str, num_questions: int) -> dict[str, Any]:
    """Times of questions, each asked twice."""
    answers, cold, warm = [], [], []
    with ThreadPoolExecutor(NUM_CONNECTIONS) as connections:
        for number in range(num_questions + 3):  # three to warm up
            words = f"word{3 * number} word{3 * number + 1} word{3 * number + 2}"
            times = [ask(address, words, connections) for _ in range(2)]
            if number >= 3:
                answers += [seconds for seconds, _ in times]
                cold.append(times[0][1])
                warm.append(times[1][1])
    return {name: _summary(one) for name, one in (("answer", answers), ("cold", cold), ("warm", warm))}


def _summary(seconds: list[float]) -> dict[str, float]:
    """Milliseconds."""
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    found = {"best": min(seconds), "median": statistics.median(seconds), "p95": p95}
    return {name: round(1000 * value, 1) for name, value in found.items()}


def main() -> int:
    """Measure, print a table and the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="tiny", help="whose model encodes")
    parser.add_argument("--windows", type=above_zero(int), default=100_000, help="of the index")
    parser.add_argument("--questions", type=above_zero(int), default=20, help="so many are asked, each twice")
    parser.add_argument("--out", type=Path, help="results file")
    options = parser.parse_args()
    config = recipe(options.recipe)
    tokenizer = Tokenizer.of_size(config.model.text.vocabulary_size)
    encoder = VlsaEncoder(build_model(config, tokenizer).eval(), tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        index = make_index(Path(folder), encoder, options.windows)
        server = uvicorn.Server(uvicorn.Config(create_app(ServeSettings(indexes=(index,)), encoder), log_level="error"))
        with listening("127.0.0.1", 0) as listener:
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                results = measure(page_address(listener), options.questions)
            finally:
                server.should_exit = True
                thread.join()
    for name, times in results.items():
        print(f"{name:<8}" + "".join(f"{what} {value:8.1f} ms   " for what, value in times.items()))
    record = {"bench": "serve", "recipe": options.recipe, "num_windows": options.windows, **circumstances()}
    return finish(record | {"results": results}, options.out)


if __name__ == "__main__":
    sys.exit(exit_status(main))
