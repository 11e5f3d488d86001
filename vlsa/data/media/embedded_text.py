"""The text of subtitles inside of a media file. Reads a file through container.py; part of the face decode.py."""

import math
import os
from typing import Any

from vlsa.base.errors import MediaError
from vlsa.data.media.container import Source, open_media
from vlsa.data.media.cue_ends import with_ends
from vlsa.data.media.markup import substation_text_lines
from vlsa.data.media.rolling import Block, unrolled
from vlsa.data.media.streams import choose_subtitles
from vlsa.data.media.subtitles import TimedText
from vlsa.data.media.telemetry import nothing_said

TYPESET = ("ass", "ssa")
"""Codecs of which the same line may follow itself, as a sign that moves; no captions that roll are made in them."""


def iter_subtitles(path: str | os.PathLike[str], audio_index: int | None = None) -> list[TimedText]:
    """The cues of the file's embedded subtitles (see streams.py), without markup; empty without any that hold text.

    audio_index: of the file's facts, where they are known: then nothing is decoded to find it out again. Raises
    MediaError, also with reason `captions` for a stream in which a camera writes what it measures.
    """
    with open_media(path, audio_index) as source:
        stream = choose_subtitles(source.container)
        if stream is None:
            return []
        found = (_block(source, packet) for packet in source.packets(stream) if packet.pts is not None)
        blocks = sorted((block for block in found if any(block.lines)), key=lambda block: block.start_seconds)
        is_typeset = stream.codec_context.codec.canonical_name in TYPESET
    if (nothing := nothing_said([" ".join(block.lines) for block in blocks])) is not None:
        raise MediaError(f"{os.fspath(path)}: {nothing}", reason="captions")
    ended = with_ends(blocks)
    cues = ended if is_typeset else unrolled(ended)
    return [
        TimedText(max(cue.start_seconds, 0.0), cue.stop_seconds, " ".join(filter(None, cue.lines)))
        for cue in cues
        if cue.stop_seconds > max(cue.start_seconds, 0.0)
    ]


def _block(source: Source, packet: Any) -> Block:
    """A cue; one whose end is not known has inf."""
    subtitles = [subtitle for subtitle in source.decode_packet(packet) if subtitle.type in (b"ass", b"text")]
    text = "\n".join(subtitle.dialogue.decode("utf-8", "replace") for subtitle in subtitles)
    start_seconds = source.seconds(packet.pts, packet.stream)
    seconds = float(packet.duration * packet.stream.time_base) if packet.duration else math.inf
    return Block(start_seconds, start_seconds + seconds, substation_text_lines(text))
