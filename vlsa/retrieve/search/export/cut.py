"""Found seconds as clips of their own: copied at key frames, or encoded anew to the frame.

Reads media files; calls copy.py or encode.py; feeds `vlsa search --cut DIR`. A copy is quick and loses nothing, but
starts at the key frame at or before the moment; a clip that is encoded anew has the frames and samples of the moment
alone. Either keeps sound and video in step. Each clip is written under another name first, so that none is half there.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlsa.base.errors import MediaError, VlsaError
from vlsa.retrieve.search.export.clips import LeftOut, with_files
from vlsa.retrieve.search.export.copy import copied_suffix, copy_span
from vlsa.retrieve.search.export.encode import encode_span, encoded_suffix
from vlsa.retrieve.search.export.names import check_free, plain_start
from vlsa.retrieve.search.moments import Moment
from vlsa.retrieve.search.spans import clock

if TYPE_CHECKING:
    from vlsa.data.media.probe import MediaFacts


@dataclass(frozen=True)
class CutClip:
    """A clip that was cut, and what of its source is in it."""

    path: Path
    source: Path
    start_seconds: float
    stop_seconds: float


def cut_clip(source: Path, start_seconds: float, stop_seconds: float, out: Path, *, exact: bool = True) -> CutClip:
    """Cut a stretch of a media file into the file `out`. Raises MediaError for a file, or a stretch, without media.

    Raises VlsaError where `out` is the source itself. With `exact` the stretch to the frame, else from a key frame on.
    """
    import av

    from vlsa.data.media.probe import probe

    facts = probe(source)
    _check_times(facts, start_seconds, stop_seconds)
    if out.exists() and out.samefile(source):
        raise VlsaError(f"{out}: the file that is cut; it would be lost. Cut into another folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.stem}.{os.getpid()}.partial{out.suffix}")
    try:
        if exact:
            start, stop = encode_span(source, start_seconds, stop_seconds, partial, facts=facts)
        else:
            start, stop = copy_span(source, start_seconds, stop_seconds, partial, facts)
        os.replace(partial, out)
    except (av.FFmpegError, ValueError) as error:  # ValueError: a container that does not take the codec
        times = f"{clock(start_seconds)}-{clock(stop_seconds)}"
        raise MediaError(
            f"{source}: {times} cannot be cut into {out.suffix} ({error}). "
            f"{'Check the free space.' if exact else 'Cut it exactly, into .mp4.'}"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return CutClip(out, source, start, stop)


def _check_times(facts: "MediaFacts", start_seconds: float, stop_seconds: float) -> None:
    end = max(facts.video_end_seconds or 0, facts.audio_end_seconds or 0)
    if not 0 <= start_seconds < min(stop_seconds, end):
        times = f"{clock(start_seconds)} and {clock(stop_seconds)}"
        raise MediaError(
            f"{facts.path}: ends at {clock(end)}; between {times} there is nothing to cut. "
            "Check the times, and that the file is whole.",
            reason="nothing",
        )


def cut_moments(
    moments: Sequence[Moment],
    source: str | os.PathLike[str],
    folder: Path,
    *,
    exact: bool = True,
    left_out: LeftOut | None = None,
    replace: bool = False,
) -> list[CutClip]:
    """Cut every moment into a folder, named by rank, file and time; paths of moments are relative to `source`.

    `left_out` is called with each that cannot be cut. Raises MediaError without it, or if none can be; VlsaError for a
    clip that is there already, unless `replace` is given.
    """

    def place(moment: Moment) -> Path:
        return folder / clip_name(moment, Path(source) / moment.path, exact=exact)

    def cut(moment: Moment) -> CutClip:
        times = moment.start_seconds, moment.stop_seconds
        return cut_clip(Path(source) / moment.path, *times, place(moment), exact=exact)

    if not replace:
        check_free(map(place, moments), "cut")
    return [clip for _, clip in with_files(moments, cut, left_out)]


def clip_name(moment: Moment, path: Path, *, exact: bool) -> str:
    """Of the clip of a moment: 001_ferry_0-01-15.5.mp4."""
    time = clock(moment.start_seconds).replace(":", "-")
    return f"{moment.rank:03d}_{plain_start(path.stem)}_{time}{encoded_suffix(path) if exact else copied_suffix(path)}"
