"""How many near-duplicates does `vlsa data dedup` find, and how many of its finds are none?

Why: what it misses may stand in training and in test; what it finds wrongly is dropped, or ties splits together. Clips
of the made world look and sound alike by design: one background, few shapes, few materials. Of each, 2 s are written to
a file, and again in one way changed: encoded hard, scaled to half, cropped by 5% (in the middle, at a corner), shifted
by half a window, made quieter and louder, all of these. Recall: the share of changed clips that are linked with their
original. Precision: the share of all links that join two versions of one clip.

Run: python bench/near_duplicates.py [--clips 40] [--out bench/results/near_duplicates.jsonl]. A few minutes on two
cores. The last line of stdout is one JSON record.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from records import circumstances, finish

from vlsa.data.clip import Clip
from vlsa.data.curate.fingerprints import Fingerprint, chosen_frames, fingerprint
from vlsa.data.curate.near_duplicates import links_between
from vlsa.data.media.decode import decode, regular_times
from vlsa.data.world.clips import made_clips

WINDOW_SECONDS, RATE_HZ, FRAME_RATE, SIDE_PX = 2.0, 22_050, 16, 96


@dataclass(frozen=True)
class Change:
    """How a version differs from the original."""

    start_seconds: float = 0.0
    quality: int = 20
    """H.264 crf."""
    audio_bits: int = 96_000
    scale: float = 1.0
    crop: tuple[float, float, float] = (1.0, 0.0, 0.0)
    """Share of each side that is kept, and where it starts."""
    gain: float = 1.0


CHANGES = {
    "original": Change(),
    "encoded at crf 36, 24 kbit/s": Change(quality=36, audio_bits=24_000),
    "scaled to half": Change(scale=0.5),
    "cropped by 5%, middle": Change(crop=(0.95, 0.025, 0.025)),
    "cropped by 5%, corner": Change(crop=(0.95, 0.05, 0.0)),
    "shifted by half a window": Change(start_seconds=WINDOW_SECONDS / 2),
    "a quarter as loud": Change(gain=0.25),
    "three times as loud": Change(gain=3.0),
    "all but louder": Change(WINDOW_SECONDS / 2, 30, 32_000, 0.5, (0.95, 0.025, 0.025), 0.25),
}


def main() -> int:
    """Make the versions, link them, and count."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    prints: dict[str, Fingerprint] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, clip in enumerate(made_clips(0, range(options.clips), RATE_HZ, FRAME_RATE, "test", SIDE_PX)):
            for name, change in CHANGES.items():
                path = write(Path(folder, "clip.mp4"), clip, change)
                prints[f"{number}|{name}"] = fingerprint(read(path))
    record = {"bench": "near_duplicates", **circumstances(), "clips": options.clips} | scores(prints, options.clips)
    for by in ("video", "audio"):
        print(f"\n{by}: precision {record[by]['precision']:.3f} of {record[by]['links']} links")
        for name, recall in record[by]["recall"].items():
            print(f"  {recall:6.3f}  {name}")
    return finish(record, options.out)


def scores(prints: dict[str, Fingerprint], num_clips: int) -> dict[str, dict[str, object]]:
    """Precision and recall by video and by audio."""
    links = links_between(list(prints), list(prints), list(prints.values()))
    found: dict[str, dict[str, object]] = {}
    for by in ("video", "audio"):
        pairs = [(link.a, link.b) for link in links if link.by == by]
        right = [(a, b) for a, b in pairs if a.split("|")[0] == b.split("|")[0]]
        of_original = {b for a, b in right if a.endswith("|original")}
        recall = {
            name: sum(f"{number}|{name}" in of_original for number in range(num_clips)) / num_clips
            for name in list(CHANGES)[1:]
        }
        found[by] = {"links": len(pairs), "precision": len(right) / max(len(pairs), 1), "recall": recall}
    return found


def write(path: Path, clip: Clip, change: Change) -> Path:
    """Two seconds of a clip, changed, as a file."""
    assert clip.frames is not None and clip.sound is not None
    first = round(change.start_seconds * FRAME_RATE)
    frames = [cropped(frame, change) for frame in clip.frames[first : first + round(WINDOW_SECONDS * FRAME_RATE)]]
    start = round(change.start_seconds * RATE_HZ)
    sound = (clip.sound[start : start + round(WINDOW_SECONDS * RATE_HZ)] * change.gain).clip(-1, 1)
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=FRAME_RATE, options={"crf": str(change.quality), "preset": "veryfast"})
        video.height, video.width, video.pix_fmt = *frames[0].shape[:2], "yuv420p"
        audio = file.add_stream("aac", rate=RATE_HZ)
        audio.codec_context.layout, audio.bit_rate = "mono", change.audio_bits
        for frame in frames:
            file.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        for begin in range(0, len(sound), 1024):
            part = av.AudioFrame.from_ndarray(sound[None, begin : begin + 1024].copy(), format="fltp", layout="mono")
            part.sample_rate, part.time_base, part.pts = RATE_HZ, Fraction(1, RATE_HZ), begin
            file.mux(audio.encode(part))
        file.mux([*video.encode(None), *audio.encode(None)])
    return path


def cropped(frame: np.ndarray, change: Change) -> np.ndarray:
    """A frame, cropped and scaled; sides are even."""
    share, left, top = change.crop
    side = len(frame)
    size = round(side * change.scale * (1 if share == 1 else share) / 2) * 2
    box = (left * side, top * side, (left + share) * side, (top + share) * side)
    return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC, box=box))


def read(path: Path) -> Clip:
    """The clip as a store of recipe tiny has it."""
    clip = decode(
        str(path), 0.0, WINDOW_SECONDS, frame_times_seconds=regular_times(WINDOW_SECONDS, 11), short_side_px=64,
        sample_rate_hz=11_025,
    )  # fmt: skip
    assert clip.frames is not None and clip.frame_seconds is not None
    chosen = chosen_frames(clip.frame_seconds)
    return Clip(
        id=clip.id, source=clip.source, start_seconds=0, stop_seconds=WINDOW_SECONDS, frames=clip.frames[chosen],
        frame_seconds=clip.frame_seconds[chosen], sound=clip.sound, sample_rate_hz=clip.sample_rate_hz,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
