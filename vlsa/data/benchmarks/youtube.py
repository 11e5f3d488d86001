"""Clips cut from YouTube videos: under which names people keep their files.

Used by the readers of sets of such clips, and by finder.py. Times are seconds of the whole video.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

from vlsa.data.benchmarks.requests import AnnotatedClip

ID_CHARACTERS = 11
"""Of a YouTube id. Only before these are long prefixes safe: `v1` may be another video than `1`."""
PREFIXES = ("", "Y", "v_", "v", "id_", "video-")
ENDINGS = ("", "_out")


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
        key=stretch_key(video_id, start_seconds, stop_seconds),
        split=split,
        texts=tuple(texts),
        cut_names=tuple(other_names),
        video_names=(video_id,),
        cut_by_times=True,
        often_cut=often_cut,
        span=(start_seconds, stop_seconds),
        where=where,
        path=path,
    )


def stretch_key(video_id: str, start_seconds: float, stop_seconds: float) -> str:
    """Same video and times, same clip."""
    return f"{video_id}@{milliseconds(start_seconds)}-{milliseconds(stop_seconds)}"


def names_of(clip: AnnotatedClip, *, by_times: bool = True) -> Iterator[tuple[str, bool]]:
    """Names of a clip's file without ending, the likeliest first, and whether such a file holds the clip alone.

    by_times: False leaves out the many names that begin with the id of the video and go on with times.
    """
    yield from ((name, True) for name in clip.cut_names)
    if by_times and clip.cut_by_times and clip.span:
        yield from ((name, True) for video in clip.video_names for name in cut_names(video, *clip.span))
    for video in clip.video_names:
        yield from ((f"{prefix}{video}", False) for prefix in (PREFIXES[:1] if clip.suffix else _prefixes(video)))
    yield from ((name, True) for name in clip.last_names)


def ids_with_times(stem: str) -> Iterator[str]:
    """YouTube ids that a file's name may begin with, before times."""
    for prefix in PREFIXES:
        if stem.startswith(prefix) and len(stem) > len(prefix) + ID_CHARACTERS:
            yield stem[len(prefix) : len(prefix) + ID_CHARACTERS]


def cut_names(video_id: str, start_seconds: float, stop_seconds: float) -> Iterator[str]:
    """Names of a file that holds one stretch; those with both times first, since ID_13 may be the 13th part.

    For ID from 30 to 40 s: ID_30_40, ID_30.0_40.0, ID_30.000_40.000, ID_30000_40000, ID_000030_000040, each also with a
    hyphen between the times or _out at the end; then ID_000030, ID_30, ID_30.0, ID_30.000, ID_30000. All also after Y,
    v_, v, id_ and video-.
    """
    times = tuple(zip(_forms(start_seconds), _forms(stop_seconds), strict=True))
    both = [f"{start}{joint}{stop}{end}" for start, stop in times for joint, end in product("_-", ENDINGS)]
    starts = [form for form in (_six_digits(start_seconds), *_forms(start_seconds)) if form]
    for prefix in _prefixes(video_id):
        yield from (f"{prefix}{video_id}_{ending}" for ending in dict.fromkeys((*both, *starts)))


def _prefixes(video_id: str) -> tuple[str, ...]:
    return PREFIXES if len(video_id) == ID_CHARACTERS else PREFIXES[:2]


def _forms(seconds: float) -> tuple[str, ...]:
    return plain(seconds), f"{seconds:.1f}", f"{seconds:.3f}", milliseconds(seconds), f"{int(seconds):06d}"


def _six_digits(seconds: float) -> str:
    return f"{int(seconds):06d}" if seconds == int(seconds) else ""


def plain(seconds: float) -> str:
    """12, 12.5, 12.345: no more digits than there are."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def milliseconds(seconds: float) -> str:
    """12.5 s is 12500."""
    return str(round(seconds * 1000))
