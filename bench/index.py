"""How fast short files are indexed: encoded in batches of many files, against one file at a time.

Why: an archive is thousands of files, many of one clip each. A model encodes 32 clips at once in far less than 32 times
the time of one, most of all on a GPU; so batches must not end with a file. The same footage is indexed twice in one
run, with batches of one clip and of 32, once with clips that are in memory (encoding and writing alone) and once with
decoding in this process. The ratios are the numbers to look at; clips a second depend on the machine.

Run: python bench/index.py [--recipe tiny] [--files 96] [--out bench/results/index.jsonl]. It makes its own footage and
an untrained model. The last line of stdout is one JSON record.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from records import above_zero, circumstances, exit_status, finish

from vlsa.config.recipes import recipe
from vlsa.data.clip import Clip
from vlsa.data.engine.workers import Heartbeat
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.data.world.write import make_world
from vlsa.pretrain.checkpoint import build_model
from vlsa.retrieve.encode.encoders import VlsaEncoder
from vlsa.retrieve.encode.sampling import WindowSpec, decode_rows
from vlsa.retrieve.index import build, encode_windows

BATCHES = {"one file at a time": 1, "batches of 32": 32}


class Memory:
    """Decodes each clip once, and then hands out what it has."""

    def __init__(self) -> None:
        self._clips: dict[str, Clip] = {}

    def __call__(
        self, window: WindowSpec, rows: Sequence[ClipRow], beat: Heartbeat
    ) -> tuple[list[Clip], list[Rejection]]:
        if any(row.id not in self._clips for row in rows):
            clips, rejections = decode_rows(window, rows, beat)
            assert not rejections, rejections
            self._clips |= {clip.id: clip for clip in clips}
        return [self._clips[row.id] for row in rows], []


def seconds_of(encoder: VlsaEncoder, footage: Path, decode: encode_windows.Decode, batch_size: int) -> float:
    """Time of indexing the footage anew."""
    encode_windows.CLIPS_PER_BATCH = batch_size
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        build.build_index(encoder, footage, Path(folder) / "index", num_workers=0, decode=decode)
        return time.perf_counter() - started


def main() -> int:
    """Measure, print a table and the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="tiny", help="whose model encodes")
    parser.add_argument("--files", type=above_zero(int), default=96, help="files of one clip of 3 s each")
    parser.add_argument("--rounds", type=above_zero(int), default=3, help="the median of so many is taken")
    parser.add_argument("--out", type=Path, help="results file")
    options = parser.parse_args()
    config = recipe(options.recipe)
    tokenizer = Tokenizer.of_size(config.model.text.vocabulary_size)
    encoder = VlsaEncoder(build_model(config, tokenizer).eval(), tokenizer)
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        footage = Path(folder) / "footage"
        make_world(footage, num_train=options.files, num_test=0, num_workers=0)
        for case, decode in {"clips in memory": Memory(), "with decoding": decode_rows}.items():
            taken: dict[str, list[float]] = {name: [] for name in BATCHES}
            for _ in range(options.rounds + 1):
                for name, batch_size in BATCHES.items():
                    taken[name].append(seconds_of(encoder, footage, decode, batch_size))
            speeds = {name: options.files / statistics.median(seconds[1:]) for name, seconds in taken.items()}  # warm
            one, batched = speeds.values()
            results[case] = {**speeds, "ratio": batched / one}
            print(
                f"{case:<16} {one:8.1f} clips/s a file at a time, {batched:8.1f} in batches: {batched / one:.2f} times"
            )
    facts = circumstances()
    facts["versions"] |= {name: metadata.version(name) for name in ("lancedb", "av")}
    record = {"bench": "index", "recipe": options.recipe, "num_files": options.files, **facts, "results": results}
    return finish(record, options.out)


if __name__ == "__main__":
    sys.exit(exit_status(main))
