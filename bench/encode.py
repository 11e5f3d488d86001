"""How long does encoding one clip and one sentence take on a processor, and how does that compare with public models?

Why it matters: an archive is indexed clip by clip on whatever machine it lies on, and each question waits for one
sentence. Ours is run by PyTorch and as `vlsa export onnx` writes it (float32, and int8); beside it `transformers`'
CLIP ViT-B/16 (pictures), CLAP (sound) and PE-AV (both). All weights are random; what is counted is work. The input is
the same for `paper`: a clip of 8 frames of 224 px with 5.94 s of sound, or a sentence of 16 word pieces.

    python bench/encode.py --threads 2 --out bench/results/encode.jsonl

Clips and sentences one at a time, in order; models one after another. `processor_ms` is the least time that processors
spent on a call: on a machine that others use, and with one thread, it is the fairer number. FLOPs are
counted by torch.utils.flop_counter.
CLAP is given its mel spectrogram, while ours is made from samples; what was changed of PE-AV is in NOTES.
The last line of stdout is one JSON record; `--out` appends it to a file.
"""

import argparse
import gc
import math
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from records import above_zero, exit_status, finish
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vlsa.config.recipes import recipe
from vlsa.data.batch import Batch
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.vlsa import VLSA
from vlsa.pretrain.checkpoint import build_model
from vlsa.retrieve.encode.onnx.encoder import open_session
from vlsa.retrieve.encode.onnx.folder import INPUTS, OUTPUT
from vlsa.retrieve.encode.onnx.trace import quantise, write_encoder
from vlsa.retrieve.evaluate.evaluate import library_versions, source_commit

NUM_FRAMES, SIZE_PX, SOUND_SECONDS, NUM_WORDS = 8, 224, 5.94, 16
NOTES = (
    "PE-AV: the default settings of transformers' PeAudioVideoConfig (six layers of pe-av-large's width) unless "
    "--pe-av names a checkpoint's config.json; in place of its timm frame encoder transformers' ViT of the same shape "
    "(24 layers, width 1024, patches of 14 px) at 224 px"
)
Call = Callable[[], Any]


def main() -> int:
    """Measure, print, and end with the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="paper", help="ours")
    parser.add_argument("--threads", type=above_zero(int), default=2, help="of each model")
    parser.add_argument(
        "--seconds",
        type=float,
        default=5.0,
        help="measure each call so long; three times, if that is not thrice as long",
    )
    parser.add_argument("--models", default="ours,clip,clap,pe-av", help="some of these")
    parser.add_argument("--pe-av", help="folder or name of a PE-AV checkpoint, for its settings")
    parser.add_argument("--out", type=Path, help="append the record to this file")
    options = parser.parse_args()
    unknown = sorted(set(options.models.split(",")) - {"ours", "clip", "clap", "pe-av"})
    if unknown:
        parser.error(f"--models {','.join(unknown)}: no such model. Known: ours, clip, clap, pe-av.")
    warnings.simplefilter("ignore")
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    sources = {
        "ours": lambda: ours(options.recipe, options.threads),
        "clip": clip,
        "clap": clap,
        "pe-av": lambda: pe_av(options.pe_av),
    }
    results: dict[str, dict[str, Any]] = {}
    for name in options.models.split(","):
        with torch.no_grad():
            for model, part, call, flops in sources[name]():
                results.setdefault(model, {})[part] = measured = measure(call, flops, options.seconds)
                print(f"{model:16} {part:16} {measured}", file=sys.stderr, flush=True)
        gc.collect()
    add_whole_clips(results)
    return finish(record(options, results), options.out)


def measure(call: Call, flops: int, least_seconds: float) -> dict[str, float]:
    """Latency of a call and the speed that it reaches; `call` has been made once before, to count its FLOPs."""
    seconds: list[float] = []
    processor: list[float] = []
    while sum(seconds) < least_seconds or (len(seconds) < 3 and sum(seconds) < 3 * least_seconds):
        start, start_processor = time.perf_counter(), time.process_time()
        call()
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
    median = statistics.median(seconds)
    return {
        "median_ms": round(1e3 * median, 2),
        "p95_ms": round(1e3 * sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1], 2),
        "processor_ms": round(1e3 * min(processor), 2),
        "num_calls": len(seconds),
        "gflop": round(flops / 1e9, 3),
        "gflop_per_second": round(flops / 1e9 / median, 1),
    }


def count_flops(call: Call) -> int:
    """Floating-point operations of matrix products and convolutions; attention as the plain products that it is."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        call()
    return counter.get_total_flops()


Measured = Iterator[tuple[str, str, Call, int]]
"""Model, part of the input, what to call, and its FLOPs."""


def counted(model: str, calls: dict[str, Call]) -> Measured:
    """Calls of a PyTorch model with their FLOPs."""
    for part, call in calls.items():
        yield model, part, call, count_flops(call)


def ours(name: str, num_threads: int) -> Measured:
    """Our three encoders: by PyTorch, by ONNX Runtime, and there in int8. FLOPs are PyTorch's."""
    config = recipe(name)
    model = build_model(config, Tokenizer.of_size(config.model.text.vocabulary_size)).eval()
    batch = one_clip(model)
    flops = {}
    for modality in INPUTS:
        call = lambda modality=modality: getattr(model, f"encode_{modality}")(batch)  # noqa: E731
        flops[modality] = count_flops(call)
        yield "ours, torch", modality, call, flops[modality]
    with tempfile.TemporaryDirectory() as folder:
        for modality, fields in INPUTS.items():
            path = Path(folder) / f"{modality}.onnx"
            inputs = {name: getattr(batch, field).numpy() for name, field in fields.items()}
            write_encoder(model, modality, path)
            for kind in ("ours, onnx", "ours, onnx int8"):
                if "int8" in kind:
                    quantise(path)
                session = open_session(path, num_threads)
                call = lambda session=session, inputs=inputs: session.run([OUTPUT], inputs)  # noqa: E731
                call()
                yield kind, modality, call, flops[modality]


def one_clip(model: VLSA) -> Batch:
    """The input, in our shapes."""
    video, audio = model.config.video, model.config.audio
    size = video.size_px
    return Batch(
        ids=("clip",),
        video=torch.randint(0, 256, (1, video.num_frames, 3, size, size), dtype=torch.uint8),
        frame_seconds=torch.arange(video.num_frames)[None] * audio.window_seconds / video.num_frames,
        frame_padding=torch.zeros(1, video.num_frames, dtype=torch.bool),
        waveform=noise(audio.num_samples),
        num_samples=torch.tensor([audio.num_samples]),
        token_ids=torch.randint(5, model.config.text.vocabulary_size, (1, NUM_WORDS)),
        text_padding=torch.zeros(1, NUM_WORDS, dtype=torch.bool),
    )


def noise(num_samples: int) -> Tensor:
    """One clip's sound."""
    return torch.randn(1, num_samples) * 0.1


def random_model(kind: Callable[..., nn.Module], config: Any) -> nn.Module:
    """A model of `transformers`, small random weights; its own way of drawing them takes minutes."""
    from transformers.initialization import no_init_weights

    with no_init_weights():
        model = kind(config)
    for weight in model.parameters():
        weight.data.uniform_(-0.03, 0.03)
    return model.eval()


def clip() -> Measured:
    """CLIP ViT-B/16: each frame a picture of its own."""
    from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig

    model = random_model(CLIPModel, CLIPConfig(vision_config=CLIPVisionConfig(patch_size=16).to_dict()))
    frames = torch.randn(NUM_FRAMES, 3, SIZE_PX, SIZE_PX)
    words = torch.randint(5, 40_000, (1, NUM_WORDS))
    yield from counted("CLIP ViT-B/16", {
        "video": lambda: model.get_image_features(pixel_values=frames),
        "text": lambda: model.get_text_features(input_ids=words),
    })  # fmt: skip


def clap() -> Measured:
    """CLAP (HTSAT-tiny and RoBERTa): ten seconds of mel spectrogram, to which it fills up any shorter sound."""
    from transformers import ClapConfig, ClapModel

    model = random_model(ClapModel, ClapConfig())
    mel = torch.randn(1, 1, 1001, 64)
    longer = torch.zeros(1, 1, dtype=torch.bool)
    words = torch.randint(5, 40_000, (1, NUM_WORDS))
    yield from counted("CLAP", {
        "audio": lambda: model.get_audio_features(input_features=mel, is_longer=longer),
        "text": lambda: model.get_text_features(input_ids=words),
    })  # fmt: skip


def pe_av(checkpoint: str | None) -> Measured:
    """PE-AV: one vector of picture and sound together, and those of each."""
    from transformers import PeAudioVideoConfig, PeAudioVideoModel, ViTConfig

    config = PeAudioVideoConfig.from_pretrained(checkpoint) if checkpoint else PeAudioVideoConfig()
    config.audio_video_config.video_config.vision_config = ViTConfig(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
        image_size=SIZE_PX, patch_size=14, num_labels=1024,
    )  # fmt: skip
    model = random_model(PeAudioVideoModel, config)
    frames, sound = torch.randn(1, NUM_FRAMES, 3, SIZE_PX, SIZE_PX), noise(round(SOUND_SECONDS * 48_000))[:, None]
    words = torch.randint(5, 40_000, (1, NUM_WORDS))
    yield from counted("PE-AV", {
        "clip": lambda: model.get_audio_video_embeds(sound, frames, return_audio_embeds=True, return_video_embeds=True),
        "text": lambda: model.get_text_audio_video_embeds(words),
    })  # fmt: skip


def add_whole_clips(results: dict[str, dict[str, Any]]) -> None:
    """Of ours, picture and sound together, one after the other: what PE-AV does in one call."""
    for parts in results.values():
        if {"video", "audio"} <= parts.keys():
            both = [parts["video"], parts["audio"]]
            total = {
                name: round(sum(part[name] for part in both), 3)
                for name in ("median_ms", "p95_ms", "processor_ms", "gflop")
            }
            parts["clip"] = {**total, "gflop_per_second": round(1e3 * total["gflop"] / total["median_ms"], 1)}


def ratios(results: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Each peer against each of ours, where both do the same: above 1, ours takes less, or does more a second."""
    found = {}
    mine = {name: parts for name, parts in results.items() if name.startswith("ours")}
    for peer in results.keys() - mine.keys():
        for name, parts in mine.items():
            for part in parts.keys() & results[peer].keys():
                own, other = parts[part], results[peer][part]
                found[f"{peer} / {name}: {part}"] = {
                    "median": round(other["median_ms"] / own["median_ms"], 2),
                    "p95": round(other["p95_ms"] / own["p95_ms"], 2),
                    "processor": round(other["processor_ms"] / own["processor_ms"], 2),
                    "flops": round(other["gflop"] / own["gflop"], 2),
                    "flops_per_second": round(own["gflop_per_second"] / other["gflop_per_second"], 2),
                }
    return dict(sorted(found.items()))


def record(options: argparse.Namespace, results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The results with what is needed to understand them later."""
    import onnxruntime
    import transformers

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    hardware = {"cpu": cpu, "num_cpus": os.cpu_count(), "instructions": torch.backends.cpu.get_cpu_capability()}
    versions = {"transformers": transformers.__version__, "onnxruntime": onnxruntime.__version__}
    return {
        "bench": "encode",
        "recipe": options.recipe,
        "commit": source_commit(),
        "hardware": {**hardware, "threads": options.threads, "load_1_minute": round(os.getloadavg()[0], 2)},
        "versions": {**library_versions(), **versions},
        "input": {"frames": NUM_FRAMES, "px": SIZE_PX, "sound_seconds": SOUND_SECONDS, "word_pieces": NUM_WORDS},
        "notes": NOTES if "PE-AV" in results else "",
        "results": results,
        "ratios": ratios(results),
    }


if __name__ == "__main__":
    sys.exit(exit_status(main))
