"""Clips for the benches: random ones on the device, and stores of the made world on disk. All of a clip is real.

Without padding every way of computing a step does the same work, and none gains by leaving padding out.
"""

import math
import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from vlsa.config import ModelConfig
from vlsa.data.clip import Batch, Clip
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shards import ShardWriter, StoreSettings, write_header
from vlsa.data.world import made_clips

FRAMES_PER_SECOND = 11
NUM_SPECIAL_WORDS = 5


def random_batch(config: ModelConfig, num_clips: int, device: torch.device) -> Batch:
    """Noise in the shapes of clips; made on the device, since rendering so many would take minutes."""
    video, audio, text = config.video, config.audio, config.text
    shape = (num_clips, video.num_frames, 3, video.size_px, video.size_px)
    seconds = (torch.arange(video.num_frames, device=device) + 0.5) / video.num_frames * audio.window_seconds
    token_ids = torch.randint(NUM_SPECIAL_WORDS, text.vocabulary_size, (num_clips, text.num_tokens), device=device)
    return Batch(
        ids=tuple(f"noise-{number}" for number in range(num_clips)),
        video=torch.randint(0, 256, shape, dtype=torch.uint8, device=device),
        frame_seconds=seconds.repeat(num_clips, 1),
        frame_padding=torch.zeros(num_clips, video.num_frames, dtype=torch.bool, device=device),
        waveform=torch.randn(num_clips, audio.num_samples, device=device) * 0.1,
        num_samples=torch.full((num_clips,), audio.num_samples, device=device),
        token_ids=token_ids,
        text_padding=torch.zeros(num_clips, text.num_tokens, dtype=torch.bool, device=device),
    )


def write_store(folder: Path, num_clips: int, config: ModelConfig, num_processes: int = 1) -> ClipStore:
    """A store of the made world as `vlsa prepare` keeps clips (JPEG and WAV): a shard for each process."""
    settings = StoreSettings(short_side_px=config.video.size_px, frames_per_second=float(FRAMES_PER_SECOND))
    shares = [range(number, num_clips, num_processes) for number in range(num_processes)]
    write = partial(_write_shard, folder, settings, config)
    if num_processes == 1:
        write(0, shares[0])
    else:
        with multiprocessing.get_context("spawn").Pool(num_processes) as pool:
            pool.starmap(write, enumerate(shares))
    write_header(folder, settings, num_shards=num_processes)
    return ClipStore.open(folder)


def _write_shard(folder: Path, settings: StoreSettings, config: ModelConfig, number: int, clips: range) -> None:
    with ShardWriter(folder, number, settings) as writer:
        for clip in _clips(clips, config):
            writer.add(clip, "train")
        writer.commit()


def _clips(indices: range, config: ModelConfig) -> Iterator[Clip]:
    """Clips that fill the model's window, and its room for words."""
    audio, size_px = config.audio, config.video.size_px
    for clip in made_clips(0, indices, audio.sample_rate_hz, FRAMES_PER_SECOND, size_px=size_px):
        times = math.ceil(audio.window_seconds / clip.duration_seconds)
        assert clip.frames is not None and clip.frame_seconds is not None and clip.sound is not None
        seconds = [clip.frame_seconds + part * clip.duration_seconds for part in range(times)]
        yield replace(
            clip,
            id=clip.id.replace("/", "_"),
            stop_seconds=times * clip.duration_seconds,
            frames=np.concatenate([clip.frames] * times),
            frame_seconds=np.concatenate(seconds),
            sound=np.tile(clip.sound, times),
            texts=tuple(" ".join([text] * config.text.num_tokens) for text in clip.texts),
        )
