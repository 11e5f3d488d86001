"""The search part of the demo: a query of each kind, and one of two parts with a filter whose answers are exported.

Reads the index and the held-out files of a demo (demo.py); feeds its page.
"""

import csv
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlsa.retrieve.search.library import Library
    from vlsa.retrieve.search.moments import Moment
    from vlsa.show.report import SearchShown

NUM_HITS = 5
FILTER = "duration > 2 and has_audio"
"""Of the query of two parts; see docs/search.md."""


def search_each_kind(out: Path) -> list["SearchShown"]:
    """One query of each kind from the first held-out clips, and one of two parts with a filter.

    The query files are written to OUT/questions, the answers to the query of two parts to OUT/found.edl.
    """
    from vlsa.retrieve.search.library import Library
    from vlsa.show.report import SearchShown

    clips = _held_out(out / "world")
    captions = {os.path.abspath(path): text for path, text in clips}
    (text_of, text), (audio_of, heard), (video_of, _), (image_of, _) = (clips[n % len(clips)] for n in range(4))
    audio, image = write_questions(out / "questions", audio_of, image_of)
    library = Library.open(out / "index", run_path=out / "run")
    asked: list[tuple[Any, str, dict[str, Any], str, str, Path]] = [
        ("text", text, {"text": text}, "media", "video and audio", text_of),
        ("audio", str(audio), {"like_sound": [str(audio)]}, "video", "video only", audio_of),
        ("video", str(video_of), {"like_video": [str(video_of)]}, "audio", "audio only", video_of),
        ("image", str(image), {"like": [str(image)]}, "video", "video only", image_of),
    ]
    shown = [
        SearchShown(
            kind,
            question,
            [_captioned(hit, captions) for hit in library.search(k=NUM_HITS, target=target, **given)],
            f"taken from {origin.name}, searched in {where}",
            str(origin),
        )
        for kind, question, given, target, where, origin in asked
    ]
    return [*shown, _search_for_a_sum(out, library, heard, audio, audio_of, captions)]


def _search_for_a_sum(
    out: Path, library: "Library", text: str, audio: Path, origin: Path, captions: dict[str, str]
) -> "SearchShown":
    """Words and a sound together, among files that a filter keeps; the answers are written as an edit list too."""
    from vlsa.retrieve.search.export.write import write_moments
    from vlsa.show.report import SearchShown

    hits = library.search(text, NUM_HITS, like_sound=[str(audio)], where=FILTER)
    (written,) = write_moments(hits, out / "found.edl", library.source, "VLSA demo", replace=True)
    note = f"words and a sound, added up, taken from {origin.name}; only files with {FILTER}"
    found = [_captioned(hit, captions) for hit in hits]
    return SearchShown("text", text, found, note, str(origin), like=str(audio), export=str(written))


def _captioned(hit: "Moment", captions: dict[str, str]) -> "Moment":
    """The hit with its caption, for comparison; the index was made without captions, so they did not help it."""
    caption = captions.get(os.path.abspath(hit.path))
    return hit if caption is None else replace(hit, texts=(caption,))


def _held_out(world: Path) -> list[tuple[Path, str]]:
    """File and first caption of each held-out clip."""
    texts: dict[str, str] = {}
    with (world / "captions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == "test":
                texts.setdefault(row["path"], row["text"])
    return [(world / path, text) for path, text in texts.items()]


def write_questions(folder: Path, audio_of: Path, image_of: Path) -> tuple[Path, Path]:
    """The audio of one clip as .wav, and the middle frame of another as .png."""
    from PIL import Image

    from vlsa.base.files import write_atomically
    from vlsa.data.media import decode
    from vlsa.data.store import codecs

    folder.mkdir(exist_ok=True)
    audio = decode.decode(
        audio_of,
        0.0,
        decode.probe(audio_of).duration_seconds,
        frame_times_seconds=None,
        short_side_px=None,
        sample_rate_hz=22_050,
    )
    assert audio.sound is not None, audio_of
    write_atomically(folder / "sound.wav", codecs.encode_wav(audio.sound, 22_050))
    length_seconds = decode.probe(image_of).duration_seconds
    video = decode.decode(
        image_of,
        0.0,
        length_seconds,
        frame_times_seconds=[length_seconds / 2],
        short_side_px=None,
        sample_rate_hz=None,
    )
    assert video.frames is not None, image_of
    Image.fromarray(video.frames[0]).save(folder / "image.png")
    return folder / "sound.wav", folder / "image.png"
