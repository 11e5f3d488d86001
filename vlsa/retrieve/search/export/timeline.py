"""Moments as an OpenTimelineIO timeline, by its own library: a video and an audio track of the cuts, in their order.

Reads events of clips.py. Every cut points to its file, keeps its own frame rate, carries the moment under
metadata["vlsa"], and a marker where the best window inside is.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from vlsa.base.errors import VlsaError
from vlsa.retrieve.search.export.clips import EditedFile, Event
from vlsa.retrieve.search.export.timecode import frame_at


def timeline_json(events: Sequence[Event], title: str) -> str:
    """The text of an .otio file. Raises VlsaError when the library is not installed."""
    try:
        import opentimelineio
    except ImportError as error:
        raise VlsaError(
            "opentimelineio is not installed; no .otio file can be written. pip install 'vlsa[editors]', or write .edl."
        ) from error
    schema = opentimelineio.schema
    timeline = schema.Timeline(name=title)
    for kind, has in (("Video", "has_video"), ("Audio", "has_sound")):
        track = schema.Track(name=kind, kind=kind)
        track.extend(_clip(event) if getattr(event.file, has) else _gap(event) for event in events)
        if any(getattr(event.file, has) for event in events):
            timeline.tracks.append(track)
    return str(opentimelineio.adapters.write_to_string(timeline, "otio_json"))


def _clip(event: Event) -> Any:
    from opentimelineio.schema import Clip

    clip = Clip(
        name=event.file.path.name,
        media_reference=_reference(event.file),
        source_range=_range(event.start_frame, event.num_frames, event.file.rate),
        metadata={"vlsa": event.moment.as_dict()},
    )
    clip.markers.append(_marker(event))
    return clip


def _gap(event: Event) -> Any:
    from opentimelineio.schema import Gap

    return Gap(source_range=_range(0, event.num_frames, event.file.rate))


def _reference(file: EditedFile) -> Any:
    from opentimelineio.schema import ExternalReference

    return ExternalReference(file.path.as_uri(), _range(file.first_frame, file.num_frames, file.rate))


def _marker(event: Event) -> Any:
    from opentimelineio.schema import Marker

    rate, moment = event.file.rate, event.moment
    start = event.file.first_frame + frame_at(moment.best_start_seconds, rate)
    start = min(max(start, event.start_frame), event.stop_frame - 1)
    stop = min(event.file.first_frame + frame_at(moment.best_stop_seconds, rate), event.stop_frame)
    return Marker(name=f"best of rank {moment.rank}", marked_range=_range(start, max(stop - start, 1), rate))


def _range(start_frame: int, num_frames: int, rate: Fraction) -> Any:
    from opentimelineio.opentime import RationalTime, TimeRange

    return TimeRange(RationalTime(start_frame, float(rate)), RationalTime(num_frames, float(rate)))
