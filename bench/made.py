"""Clips for the benches: random ones on the device; the made world as a store on disk, or rendered once into memory.

Random clips and those of the store have no padding: then every way of computing a step does the same work.
"""

import math
import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap

from vlsa.config import ModelConfig
from vlsa.data.batch import Batch
from vlsa.data.clip import Clip, WrappedDataset, cut
from vlsa.data.store.reader import ClipStore
from vlsa.data.store.shards import ShardWriter, StoreSettings, write_header
from vlsa.data.world import made_clips
from vlsa.data.world.rendered import WorldClips, WorldSpec

FRAMES_PER_SECOND = 11
NUM_SPECIAL_TOKENS = 5


def random_batch(config: ModelConfig, num_clips: int, device: torch.device) -> Batch:
    """Noise in the shapes of clips, the same in each process; made on the device: rendering would take minutes."""
    torch.manual_seed(1)
    video, audio, text = config.video, config.audio, config.text
    shape = (num_clips, video.num_frames, 3, video.size_px, video.size_px)
    seconds = (torch.arange(video.num_frames, device=device) + 0.5) / video.num_frames * audio.window_seconds
    token_ids = torch.randint(NUM_SPECIAL_TOKENS, text.vocabulary_size, (num_clips, text.num_tokens), device=device)
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
    """Clips that fill the model's window, and its room for text."""
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


class RenderedClips(WrappedDataset):
    """A made world whose clips were rendered once, into files that each reading process maps into its memory."""

    def __init__(self, world: WorldClips, folder: Path) -> None:
        super().__init__(world)
        self.path, self._folder = world.path, folder
        self._places = {row.id: place for place, row in enumerate(world.rows())}
        self._maps: dict[str, np.ndarray] = {}

    def read(
        self, clip: Any, *, frame_indices: Sequence[int] | None = None, sound_range: tuple[int, int] | None = None
    ) -> Clip:
        """The asked part of a clip."""
        if not self._maps:
            self._maps = {name: np.load(self._folder / f"{name}.npy", mmap_mode="r") for name in ("frames", "sound")}
        place = self._places[clip.id]
        whole = Clip(
            id=clip.id,
            source=self.path,
            start_seconds=0.0,
            stop_seconds=clip.duration_seconds,
            frames=self._maps["frames"][place],
            frame_seconds=clip.frame_seconds,
            sound=self._maps["sound"][place],
            sample_rate_hz=clip.sample_rate_hz,
            texts=clip.texts,
        )
        indices = range(len(clip.frame_seconds)) if frame_indices is None else frame_indices
        return cut(whole, indices, *(sound_range or (0, clip.num_samples)))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_maps": {}}  # a reading process maps the files itself


def render(data: str, folder: Path, num_processes: int = 1) -> RenderedClips:
    """Render all clips of a made world by so many processes."""
    world = WorldClips(WorldSpec.parse(data))
    rows, px = world.rows(), world.spec.px
    folder.mkdir(parents=True)
    sizes = {
        "frames": ((len(rows[0].frame_seconds), px, px, 3), np.uint8),
        "sound": ((rows[0].num_samples,), np.float32),
    }
    for name, (shape, dtype) in sizes.items():
        open_memmap(folder / f"{name}.npy", "w+", dtype, (len(rows), *shape)).flush()
    shares = [(data, folder, range(number, len(rows), num_processes)) for number in range(num_processes)]
    if num_processes == 1:
        _render_share(*shares[0])
    else:
        with multiprocessing.get_context("spawn").Pool(num_processes) as pool:
            pool.starmap(_render_share, shares)
    return RenderedClips(world, folder)


def _render_share(data: str, folder: Path, places: range) -> None:
    world = WorldClips(WorldSpec.parse(data))
    rows, maps = world.rows(), {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in ("frames", "sound")}
    for place in places:
        clip = world.read(rows[place])
        maps["frames"][place], maps["sound"][place] = clip.frames, clip.sound
