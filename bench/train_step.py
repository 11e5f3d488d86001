"""How fast is training, and does it wait for data?

Why it matters: clips a second times the clips a recipe wants is the cost of a run; waiting for data is cost that buys
nothing. Clips of the made world are written into a real clip store in a temporary folder (JPEG and WAV, as `vlsa
prepare` keeps them) and trained on with the real loop's step, so reading, decoding and augmenting are in the numbers.

    python bench/train_step.py --recipe tiny --steps 20 --out bench/results/train_step.jsonl

The last line of stdout is one JSON record; `--out` appends it to a file. Tokens are those that enter the encoder:
visible patches and words, once for each pass over them.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from records import finish

from vlsa.config import Config, ModelConfig
from vlsa.data.loader import TrainingClips, training_batches
from vlsa.data.shards import ShardWriter, StoreSettings, write_header
from vlsa.data.store import ClipStore
from vlsa.data.tokenizer import Tokenizer
from vlsa.data.world import made_clips
from vlsa.model.masking import num_visible
from vlsa.pretrain.checkpoint import build_model
from vlsa.pretrain.loop import Trainer, build_optimizer, train_step
from vlsa.recipes import recipe
from vlsa.settings import override

FRAMES_PER_SECOND = 11
NUM_WARM_UP = 3


def write_store(folder: Path, num_clips: int, model: ModelConfig) -> ClipStore:
    """A store of made clips at the model's picture size and sound rate."""
    settings = StoreSettings(short_side_px=model.video.size_px, frames_per_second=float(FRAMES_PER_SECOND))
    clips = made_clips(0, range(num_clips), model.audio.sample_rate_hz, FRAMES_PER_SECOND, size_px=model.video.size_px)
    with ShardWriter(folder, 0, settings) as writer:
        for clip in clips:
            writer.add(replace(clip, id=clip.id.replace("/", "_")), "train")
        writer.commit()
    write_header(folder, settings, num_shards=1)
    return ClipStore.open(folder)


def encoder_tokens(model: ModelConfig) -> int:
    """Tokens of one clip that enter the encoder, isolated and joint passes both counted at the layers they run in."""
    video = model.video.num_frames * num_visible(model.video.patches_per_frame, model.video.mask_share)
    visible = video + num_visible(model.audio.num_patches, model.audio.mask_share) + model.text.num_tokens
    return round(visible * (1 + model.encoder.fusion_layers / model.encoder.num_layers))


def start(config: Config, store: ClipStore, device: torch.device) -> tuple[Trainer, TrainingClips]:
    """A fresh run on the store."""
    tokenizer = Tokenizer.train(store.texts("train"), config.model.text.vocabulary_size)
    text = replace(config.model.text, vocabulary_size=tokenizer.vocabulary_size)
    config = replace(config, model=replace(config.model, text=text))
    model = build_model(config, tokenizer).to(device)
    trainer = Trainer(config, model, tokenizer, build_optimizer(model, config), data="bench")
    return trainer, TrainingClips(store, config.model, config.train, tokenizer)


def measure(trainer: Trainer, clips: TrainingClips, device: torch.device) -> dict[str, float]:
    """Median and 95th percentile of the steps after the warm-up."""
    waits, seconds = [], []
    before = time.perf_counter()
    for batch in training_batches(clips, 0):
        ready = time.perf_counter()
        losses, _ = train_step(trainer, batch.to(device))
        losses.total.item()  # wait for the device
        trainer.step += 1
        now = time.perf_counter()
        waits.append(ready - before)
        seconds.append(now - before)
        before = now
    waits, seconds = waits[NUM_WARM_UP:], seconds[NUM_WARM_UP:]
    step_seconds = statistics.median(seconds)
    return {
        "step_seconds_median": round(step_seconds, 4),
        "step_seconds_p95": round(statistics.quantiles(seconds, n=20)[-1], 4),
        "clips_per_second": round(clips.train.batch_size / step_seconds, 1),
        "encoder_tokens_per_second": round(clips.train.batch_size * encoder_tokens(clips.model) / step_seconds),
        "data_wait_share": round(sum(waits) / sum(seconds), 3),
    }


def record(name: str, config: Config, results: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The results with what is needed to understand them later."""
    git = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "bench": "train_step",
        "recipe": name,
        "commit": git.stdout.strip() if git.returncode == 0 else None,
        "hardware": {"cpu": platform.processor() or platform.machine(), "num_cpus": os.cpu_count(), "gpu": gpu},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "batch_size": config.train.batch_size,
        "results": results,
    }


def main() -> int:
    """Measure, print, and end with the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="tiny", help="recipe to train")
    parser.add_argument("--steps", type=int, default=20, help="steps that are measured")
    parser.add_argument("--clips", type=int, default=480, help="clips in the store")
    parser.add_argument("--set", dest="assignments", action="append", default=[], help="a.b=c, changes a setting")
    parser.add_argument("--out", type=Path, help="append the record to this file")
    options = parser.parse_args()
    steps = f"train.num_steps={options.steps + NUM_WARM_UP}"
    config = override(recipe(options.recipe), [*options.assignments, steps])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as folder:
        store = write_store(Path(folder), options.clips, config.model)
        results = measure(*start(config, store, device), device)
    return finish(record(options.recipe, config, results, device), options.out)


if __name__ == "__main__":
    sys.exit(main())
