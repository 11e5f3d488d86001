"""A row of a manifest as a clip: decoded from its media file as a store keeps it, or left out.

Reads media files through decode.py; used by prepare.py in the processes that make shards.
"""

import functools
from collections.abc import Callable, Sequence

from vlsa.base.errors import MediaError
from vlsa.data.clip import Clip
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.media import decode
from vlsa.data.store.shards import StoreSettings

Decode = Callable[[ClipRow, StoreSettings], Clip]


def decode_row(row: ClipRow, settings: StoreSettings) -> Clip:
    """Decode one row of a manifest as the settings want it. Raises MediaError."""
    duration_seconds = row.stop_seconds - row.start_seconds
    if duration_seconds <= 0:
        message = f"{row.path}: clip {row.id} stops at {row.stop_seconds:g} s and starts at {row.start_seconds:g} s; "
        raise MediaError(message + "nothing can be decoded. Fix its times.", reason="zero_length")
    facts = probe_once(row.path)
    decode.check_extent(facts, row.start_seconds, row.stop_seconds, settings.short_side_px, settings.frames_per_second)
    return decode.decode(
        row.path,
        row.start_seconds,
        row.stop_seconds,
        frame_times_seconds=decode.regular_times(duration_seconds, settings.frames_per_second),
        short_side_px=settings.short_side_px,
        sample_rate_hz=settings.sample_rate_hz,
        facts=facts,
        id=row.id,
        texts=row.texts,
    )


@functools.lru_cache(maxsize=16)
def probe_once(path: str) -> decode.MediaFacts:
    """The facts of a file. Neighbouring rows come from the same one: it is scanned once. Raises MediaError."""
    return decode.probe(path)


def check_dropped(drop: Sequence[str], row: ClipRow, clip: Clip | None = None) -> None:
    """Raises MediaError for a clip without something that clips are dropped for; before it is decoded, without text."""
    lacks = {"no_text": not row.texts}
    if clip is not None:
        lacks |= {"no_video": clip.frames is None, "no_sound": clip.sound is None}
    if lacking := [word for word in drop if lacks.get(word)]:
        where, what = f"{row.path}: {row.start_seconds:g}-{row.stop_seconds:g} s", lacking[0].removeprefix("no_")
        raise MediaError(
            f"{where}: no {'audio' if what == 'sound' else what} in it, and --drop {lacking[0]} leaves such clips out.",
            reason=lacking[0],
        )
