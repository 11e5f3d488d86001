"""How many training-ready clips of the paper's shape one core makes, from a store and from what people use instead.

Why: a step of training waits for the slowest of its reading processes. A training-ready clip is 8 frames of 224 x 224
px from a random window, cropped, and the mono audio of that window. Read by this library from its store; by webdataset
from the same shards (whole clips, every frame decoded by Pillow, then the same window and crop); and by this library
straight from the MP4 files that the store was prepared from. One process, one thread; processor time, so that the load
of the machine counts little. The frames are of real size (short side as the recipe `paper` stores them, 16:9), of a
texture that is hard to compress; most of the time goes into decoding their JPEG files, by their bytes.

Run: python bench/loader.py [--clips 60] [--out bench/results/loader.jsonl]. The last line of stdout is one JSON record.
"""

import argparse
import io
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import numpy as np
import torch
import webdataset
from films import Film, write_film
from PIL import Image
from records import circumstances, finish

from vlsa.config import Config, ModelConfig
from vlsa.config.recipes import recipe
from vlsa.data.batch import ClipTensors
from vlsa.data.clip import Clip
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.loading.loader import read_tensors
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.data.loading.transform import choose_window, clip_tensors, wanted_times
from vlsa.data.media.decode import decode, probe
from vlsa.data.store.prepare import prepare, store_settings
from vlsa.data.store.reader import ClipStore

CLIP_SECONDS, CLIPS_A_FILE = 10, 6
SIZE_PX = (640, 360)


def make_store(folder: Path, config: Config, num_clips: int) -> ClipStore:
    """MP4 files and the store of their clips."""
    rows = []
    for number in range(-(-num_clips // CLIPS_A_FILE)):
        path = folder / f"{number}.mp4"
        write_film(path, Film(*SIZE_PX, CLIP_SECONDS * CLIPS_A_FILE))
        for clip in range(CLIPS_A_FILE):
            start = clip * CLIP_SECONDS
            rows.append(
                ClipRow(f"{number}-{clip}", str(path), start, start + CLIP_SECONDS, (f"film {number}",), "train")
            )
    prepare(rows[:num_clips], folder / "store", store_settings(config), num_workers=0)
    return ClipStore.open(folder / "store")


def from_store(store: ClipStore, model: ModelConfig, tokenizer: Tokenizer) -> Iterator[ClipTensors]:
    """As training reads."""
    for number, row in enumerate(store.rows("train")):
        yield read_tensors(store, row, model, tokenizer, np.random.default_rng(number))


def from_webdataset(store: ClipStore, model: ModelConfig, tokenizer: Tokenizer) -> Iterator[ClipTensors]:
    """As a pipeline of webdataset reads: each clip whole, in the order of the shards."""
    urls = sorted(str(path) for path in (store.path / "shards").glob("*.tar"))
    for number, sample in enumerate(webdataset.WebDataset(urls, shardshuffle=False)):
        rng = np.random.default_rng(number)
        row = store[sample["__key__"]]
        frames = [np.asarray(Image.open(io.BytesIO(sample[name]))) for name in sorted(sample) if name.endswith("jpg")]
        with wave.open(io.BytesIO(sample["wav"])) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        window = choose_window(row.frame_seconds, row.duration_seconds, model, rng)
        first, last = window.sample_range(row.sample_rate_hz)
        whole = Clip(
            id=row.id,
            source=row.source,
            start_seconds=row.start_seconds,
            stop_seconds=row.stop_seconds,
            frames=np.stack([frames[index] for index in window.frame_indices]),
            frame_seconds=row.frame_seconds[list(window.frame_indices)],
            sound=sound[first:last],
            sample_rate_hz=row.sample_rate_hz,
            texts=row.texts,
        )
        yield clip_tensors(whole, window, model, tokenizer, rng)


def from_files(store: ClipStore, model: ModelConfig, tokenizer: Tokenizer) -> Iterator[ClipTensors]:
    """Without a store: the frames and the audio of a random window are decoded from the MP4 file."""
    facts = {}
    for number, row in enumerate(store.rows("train")):
        rng = np.random.default_rng(number)
        path = store.media_path(row)
        facts[path] = facts.get(path) or probe(path)
        window = choose_window(row.frame_seconds, row.duration_seconds, model, rng)
        start, stop = window.start_seconds, window.stop_seconds
        clip = decode(
            path,
            row.start_seconds + start,
            row.start_seconds + stop,
            frame_times_seconds=(wanted_times(start, stop, model.video.num_frames, rng) - start).tolist(),
            short_side_px=store.settings.short_side_px,
            sample_rate_hz=store.settings.sample_rate_hz,
            facts=facts[path],
            texts=row.texts,
        )
        yield clip_tensors(clip, window, model, tokenizer, rng)


WAYS: dict[str, Callable[..., Iterator[ClipTensors]]] = {
    "store": from_store,
    "webdataset": from_webdataset,
    "mp4 files": from_files,
}


def clips_per_second(clips: Iterator[ClipTensors], num_clips: int) -> float:
    """Clips a second of processor time, after one to warm up."""
    next(clips)
    begin = time.process_time()
    num_read = sum(1 for _ in clips)
    assert num_read == num_clips - 1, num_read
    return num_read / (time.process_time() - begin)


def measure(config: Config, num_clips: int) -> dict[str, Any]:
    """Clips a second each way, the best of three turns, and how often as many the store gives."""
    tokenizer = Tokenizer.of_size(config.model.text.vocabulary_size)
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder), config, num_clips)
        rates = {
            name: max(clips_per_second(way(store, config.model, tokenizer), num_clips) for _ in range(3))
            for name, way in WAYS.items()
        }
        frame_bytes = np.mean([row.frame_spans[:, 1].mean() for row in store.rows("train")])
        sizes = {"frame_px": list(store.rows("train")[0].size_px), "bytes_a_frame": round(float(frame_bytes))}
    found = {name: round(rate, 1) for name, rate in rates.items()}
    ratios = {f"store over {name}": round(rates["store"] / rates[name], 2) for name in list(WAYS)[1:]}
    return sizes | {"clips_per_second_and_core": found, "ratios": ratios}


def main() -> int:
    """Measure, print, and end with the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=60, help="clips in the store")
    parser.add_argument("--out", type=Path, help="append the record to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(recipe("paper"), options.clips)
    print(found, file=sys.stderr)
    return finish({"bench": "loader", **circumstances(), "clips": options.clips, "results": found}, options.out)


if __name__ == "__main__":
    sys.exit(main())
