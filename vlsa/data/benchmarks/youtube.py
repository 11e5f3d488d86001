"""Clips cut from YouTube videos: under which names people keep their files.

Used by the adapters of AudioCaps, YouCook2, HowTo100M, AudioSet and VGGSound. Times are seconds of the whole video.
"""

from collections.abc import Iterable
from pathlib import Path

from vlsa.data.benchmarks.requests import AnnotatedClip


def youtube_clip(
    video_id: str,
    start_seconds: float,
    stop_seconds: float,
    texts: Iterable[str],
    *,
    split: str,
    where: str,
    path: Path,
    other_names: Iterable[str] = (),
    often_cut: bool = False,
) -> AnnotatedClip:
    """A stretch of a video. `other_names`: more names of a file that holds the stretch alone.

    `often_cut`: see `AnnotatedClip`; for sets of which people keep 10 s alone.
    """
    return AnnotatedClip(
        key=f"{video_id}@{milliseconds(start_seconds)}-{milliseconds(stop_seconds)}",
        split=split,
        texts=tuple(texts),
        cut_names=tuple(dict.fromkeys((*other_names, *cut_names(video_id, start_seconds, stop_seconds)))),
        video_names=(video_id, f"Y{video_id}"),
        often_cut=often_cut,
        span=(start_seconds, stop_seconds),
        where=where,
        path=path,
    )


def cut_names(video_id: str, start_seconds: float, stop_seconds: float) -> list[str]:
    """Names of a file that holds one stretch, the likeliest first; each also with a Y before it, as some tools write.

    For ID from 30 to 40 s: ID_000030, ID_30, ID_30_40, ID_30.000, ID_30.000_40.000, ID_30000, ID_30000_40000.
    """
    start, stop = plain(start_seconds), plain(stop_seconds)
    endings = [start, f"{start}_{stop}"]
    if start_seconds == int(start_seconds):
        endings.insert(0, f"{int(start_seconds):06d}")
    endings += [f"{start_seconds:.3f}", f"{start_seconds:.3f}_{stop_seconds:.3f}"]
    endings += [milliseconds(start_seconds), f"{milliseconds(start_seconds)}_{milliseconds(stop_seconds)}"]
    return [f"{first}{video_id}_{ending}" for first in ("", "Y") for ending in endings]


def plain(seconds: float) -> str:
    """12, 12.5, 12.345: no more digits than there are."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def milliseconds(seconds: float) -> str:
    """12.5 s is 12500."""
    return str(round(seconds * 1000))
