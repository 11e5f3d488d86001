"""How many seconds of footage are indexed in a second, and how much of that time is neither decoding nor encoding?

Why: an archive is hours of film, and all that the index adds to the decoder and the model is lost time. Decoding
(worker processes), encoding (a thread) and writing (the main one) should run at once, and windows that overlap should
be decoded once. The same films of 640 x 360 are indexed with each window decoded alone and with overlapping ones in one
pass, alternately, by an untrained model of a recipe or by CLIP ViT-B/32 with CLAP, random weights at published sizes.

`busy` is the processor time of the command over the wall time of all cores: on a machine that others use it is less
than what the cores did. `rest` is the share of that processor time outside the decoding processes and the model.

Run: python bench/index_footage.py [--model tiny|pair] [--seconds 60] [--out bench/results/index_footage.jsonl].
The last line of stdout is one JSON record.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from records import ROOT, above_zero, circumstances, exit_status, finish

from vlsa.config.recipes import recipe
from vlsa.data.clip import Clip
from vlsa.data.engine.workers import Heartbeat
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.pretrain.checkpoint import build_model
from vlsa.retrieve.encode.encoders import VlsaEncoder
from vlsa.retrieve.encode.public.load import load_public
from vlsa.retrieve.encode.public.names import parse
from vlsa.retrieve.encode.sampling import COVERING, WindowSpec, decode_rows
from vlsa.retrieve.index.build import build_index

WIDTH_PX, HEIGHT_PX, FRAMES_PER_SECOND, RATE_HZ = 640, 360, 25, 48_000


def each_alone(spec: WindowSpec, rows: Sequence[ClipRow], beat: Heartbeat) -> tuple[list[Clip], list[Rejection]]:
    """As `decode_rows`, but what overlaps is decoded again for each window."""
    found = [decode_rows(spec, [row], beat) for row in rows]
    return [clip for clips, _ in found for clip in clips], [one for _, rejected in found for one in rejected]


WAYS = {"each window alone": each_alone, "one pass": decode_rows}


class Timed:
    """An encoder that notes the processor time of its thread."""

    def __init__(self, encoder: Any) -> None:
        self._encoder, self.seconds = encoder, 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._encoder, name)
        return self._timed(found) if name in ("encode_video", "encode_audio") else found

    def with_sampling(self, sampling: Any) -> "Timed":
        self._encoder = self._encoder.with_sampling(sampling)
        return self

    def _timed(self, encode: Any) -> Any:
        def timed(items: Sequence[Any]) -> Any:
            started = time.thread_time()
            vectors = encode(items)
            self.seconds += time.thread_time() - started
            return vectors

        return timed


def measure(encoder: Any, footage: Path, decode: Any, num_workers: int, num_seconds: float) -> dict[str, float]:
    """One indexing of the footage."""
    timed, before = Timed(encoder), processor_seconds()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        summary = build_index(timed, footage, Path(folder) / "index", num_workers=num_workers, decode=decode)
        wall = time.perf_counter() - started
    own, workers = (after - earlier for after, earlier in zip(processor_seconds(), before, strict=True))
    assert not summary.num_rejected, summary
    total = own + workers
    return {
        "footage_seconds_per_second": num_seconds / wall,
        "busy": total / (wall * (os.cpu_count() or 1)),
        "decoding": workers / total,
        "model": timed.seconds / total,
        "rest": (own - timed.seconds) / total,
        "processor_seconds": total,
    }


def processor_seconds() -> tuple[float, float]:
    """Of this process, and of its children that have ended."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return tuple(one.ru_utime + one.ru_stime for one in usage)


def write_film(path: Path, seconds: float, seed: int) -> None:
    """A view that moves over a textured plain, with noise as sound."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (24, 120, 3), np.uint8)
    plain = np.kron(coarse, np.ones((20, 20, 1), np.uint8)) + rng.integers(0, 24, (480, 2400, 3), np.uint8)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"preset": "veryfast", "crf": "26"})
        video.width, video.height, video.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        audio = container.add_stream("aac", rate=RATE_HZ)
        audio.codec_context.layout = "mono"
        for number in range(round(seconds)):
            for k in range(number * FRAMES_PER_SECOND, (number + 1) * FRAMES_PER_SECOND):
                left, top = round(800 * (1 + np.sin(k / 60))), round(50 * (1 + np.cos(k / 45)))
                view = np.ascontiguousarray(plain[top : top + HEIGHT_PX, left : left + WIDTH_PX])
                container.mux(video.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
            noise = (0.2 * rng.normal(size=(1, RATE_HZ))).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, number * RATE_HZ
            container.mux(audio.encode(frame))
        for stream in (video, audio):
            container.mux(stream.encode(None))


def untrained(name: str) -> VlsaEncoder:
    """The encoder of a recipe."""
    config = recipe(name)
    tokenizer = Tokenizer.of_size(config.model.text.vocabulary_size)
    return VlsaEncoder(build_model(config, tokenizer).eval(), tokenizer)


def pair(folder: Path) -> Any:
    """CLIP and CLAP at their published sizes."""
    sys.path.append(str(ROOT / "tests"))
    import public_encoders
    import public_models
    import transformers as hf

    sizes = {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}}
    public_encoders.clip(folder / "clip", **sizes)
    public_models.made(hf.CLIPModel, hf.CLIPConfig()).save_pretrained(folder / "clip")
    features = {"feature_size": 64, "sampling_rate": 48_000, "hop_length": 480, "max_length_s": 10}
    public_encoders.clap(folder / "clap", **features, fft_window_size=1024, frequency_max=14_000)
    public_models.made(hf.ClapModel, hf.ClapConfig()).save_pretrained(folder / "clap")
    name = f"clip:{folder / 'clip'}+clap:{folder / 'clap'}"
    return load_public(parse(name), torch.device("cpu"), COVERING)


def main() -> int:
    """Measure, print a table and the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="a recipe, or pair: CLIP and CLAP")
    parser.add_argument("--seconds", type=above_zero(int), default=60, help="length of each film")
    parser.add_argument("--files", type=above_zero(int), default=2)
    parser.add_argument("--rounds", type=above_zero(int), default=2, help="the fastest of so many counts")
    parser.add_argument("--workers", type=above_zero(int), default=os.cpu_count() or 1, help="decoding processes")
    parser.add_argument("--out", type=Path, help="results file")
    options = parser.parse_args()
    torch.set_num_threads(1)  # else the time of the model's other threads would count as rest
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        footage = Path(folder) / "footage"
        footage.mkdir()
        for number in range(options.files):
            write_film(footage / f"film-{number}.mp4", options.seconds, number)
        encoder = pair(Path(folder)) if options.model == "pair" else untrained(options.model)
        num_seconds = options.files * options.seconds
        for _ in range(options.rounds):
            for name, decode in WAYS.items():
                found = measure(encoder, footage, decode, options.workers, num_seconds)
                best = results.get(name, {}).get("footage_seconds_per_second", 0.0)
                results[name] = found if found["footage_seconds_per_second"] > best else results[name]
                print(name, {fact: round(value, 3) for fact, value in found.items()}, file=sys.stderr, flush=True)
    alone, once = (results[name]["footage_seconds_per_second"] for name in WAYS)
    print(f"{options.model}: {alone:.1f} s of footage a second, in one pass {once:.1f}: {once / alone:.2f} times")
    facts = circumstances()
    facts["versions"] |= {name: metadata.version(name) for name in ("lancedb", "av")}
    asked = {name: getattr(options, name) for name in ("model", "seconds", "files", "workers")}
    return finish({"bench": "index_footage", **asked, **facts, "results": results}, options.out)


if __name__ == "__main__":
    sys.exit(exit_status(main))
