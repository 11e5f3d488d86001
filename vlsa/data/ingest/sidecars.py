"""Which subtitle files belong to which media files, by their names, and in which language they are.

`cat.srt`, `CAT.en.srt`, `cat.English.srt`, `cat.mp4.en.sdh.srt` and `cat.pt-BR.forced.vtt` are of `cat.mp4`. What
stands between the name and the suffix is a language, a kind, or both; with anything else in it a file is of no media.
Functions of names, but for .xml and .sub, whose content says what it is; used by listing.py.
"""

import os
import re
import unicodedata
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vlsa.data.media.subtitles import SUFFIXES
from vlsa.data.media.suffixes import MEDIA_SUFFIXES
from vlsa.data.media.ttml import SAMPLE_CHARACTERS, begins_as_ttml

IMAGES_SUFFIX = ".sup"
OTHER_SUFFIXES = (IMAGES_SUFFIX, ".lrc", ".scc", ".srv1", ".srv2", ".srv3", ".json3")
"""Subtitles that are not read."""
BY_CONTENT = ".xml"
"""The suffix of subtitles and of much else."""
VOBSUB_SUFFIX, VOBSUB_BEGINNING = ".sub", b"\0\0\1\xba"
"""Of the subtitles of DVDs, which are images, next to their .idx; a .sub of another beginning is text."""
KINDS = {
    "": 0, "default": 1, "full": 2, "subtitles": 3, "subs": 4, "captions": 5, "transcript": 6, "sdh": 7, "cc": 8,
    "hi": 9, "forced": 10, "signs": 11,
}  # fmt: skip
"""Of one language, the file of the first of these is read: forced subtitles, of signs alone, only if there are no
others. `hi` after a language is for the hard of hearing."""
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_ENGLISH = ("en", "eng")
LANGUAGE_NAMES = {
    "arabic": "ar", "bengali": "bn", "bulgarian": "bg", "catalan": "ca", "chinese": "zh", "croatian": "hr",
    "czech": "cs", "danish": "da", "dutch": "nl", "english": "en", "estonian": "et", "finnish": "fi", "french": "fr",
    "german": "de", "greek": "el", "hebrew": "he", "hindi": "hi", "hungarian": "hu", "indonesian": "id",
    "italian": "it", "japanese": "ja", "korean": "ko", "latvian": "lv", "lithuanian": "lt", "malay": "ms",
    "norwegian": "no", "persian": "fa", "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru",
    "serbian": "sr", "slovak": "sk", "slovenian": "sl", "spanish": "es", "swedish": "sv", "tamil": "ta",
    "telugu": "te", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi",
}  # fmt: skip
"""Languages that a name may spell out."""


@dataclass(frozen=True)
class Sidecar:
    """A subtitle file of a media file."""

    path: str
    language: str | None = None
    """As the file's name says it, in small letters: en, eng, pt-br."""
    kind: str = ""


@dataclass(frozen=True)
class Sidecars:
    """The subtitle files of a media file: those to read, one a language, and why the others are not."""

    read: tuple[Sidecar, ...] = ()
    """Without a language, then English, then others by the alphabet."""
    unread: tuple[tuple[str, str], ...] = ()
    """Path, and what to say of it."""

    def first(self) -> "Sidecars":
        """For who takes one language."""
        others = tuple(
            (other.path, f"a store takes one language, that of {self.read[0].path}. Rename the other one to change it.")
            for other in self.read[1:]
        )
        return replace(self, read=self.read[:1], unread=(*self.unread, *others))


def is_subtitles(name: str) -> bool:
    """Whether a name is that of a subtitle file, and not hidden."""
    suffix = os.path.splitext(name)[1].lower()
    return not name.startswith(".") and suffix in SUFFIXES + OTHER_SUFFIXES and suffix != BY_CONTENT


def holds_subtitles(path: Path) -> bool:
    """Whether a file whose name may be that of subtitles, or of anything else, begins as subtitles do."""
    if path.name.startswith(".") or path.suffix.lower() != BY_CONTENT or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return begins_as_ttml(file.read(SAMPLE_CHARACTERS))
    except OSError:
        return False


def holds_images(path: Path) -> bool:
    """Whether a subtitle file holds images of text."""
    suffix = path.suffix.lower()
    if suffix != VOBSUB_SUFFIX or not path.is_file():
        return suffix == IMAGES_SUFFIX
    try:
        with path.open("rb") as file:
            return file.read(len(VOBSUB_BEGINNING)) == VOBSUB_BEGINNING
    except OSError:
        return False


def assign_sidecars(media: Iterable[str], subtitles: Iterable[str], images: Container[str] = ()) -> dict[str, Sidecars]:
    """The subtitle files of each media file that has any. Paths are relative, with forward slashes.

    images: those that hold images of text.
    """
    by_stem: dict[str, list[str]] = {}
    for name in media:
        for stem in (os.path.splitext(name)[0], name):  # cat.srt, cat.mp4.srt
            by_stem.setdefault(_folded(stem), []).append(name)
    found: dict[str, list[Sidecar]] = {}
    for path in sorted(subtitles):
        stem, sidecar = _sidecar(path, by_stem)
        for name in _as_written(path, by_stem.get(stem, [])):
            found.setdefault(name, []).append(sidecar)
    return {name: _choose(sidecars, images) for name, sidecars in found.items()}


def unassigned(subtitles: Iterable[str], assigned: Mapping[str, Sidecars]) -> tuple[str, ...]:
    """Subtitle files that are of no media file, sorted."""
    known = {one.path for found in assigned.values() for one in found.read}
    known |= {path for found in assigned.values() for path, _ in found.unread}
    return tuple(sorted(set(subtitles) - known))


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    """Without the difference of small and capital letters."""
    return _normal(_normal(name).casefold())


def _as_written(path: str, names: list[str]) -> list[str]:
    """Of media files whose names differ by capital letters, those that a subtitle file's name begins with."""
    exact = [name for name in names if _normal(path).startswith(_normal(os.path.splitext(name)[0]))]
    return exact or names


def _sidecar(path: str, stems: Mapping[str, object]) -> tuple[str, Sidecar]:
    """The longest stem of a media file that a subtitle file's name begins with, and what the rest says."""
    stem = _folded(os.path.splitext(path)[0])
    tags: list[str] = []
    while stem not in stems:
        stem, dot, tag = stem.rpartition(".")
        if not dot or "/" in tag:
            return "", Sidecar(path)
        tags.insert(0, tag)
    described = _described(tags)
    return ("", Sidecar(path)) if described is None else (stem, Sidecar(path, *described))


def _described(tags: list[str]) -> tuple[str | None, str] | None:
    """Language and kind; None for parts of a name that are neither."""
    language, kind = None, ""
    for tag in tags:
        is_other = tag in KINDS.keys() - {"hi"} or (len(tag) > 2 and f".{tag}" in MEDIA_SUFFIXES)
        if language is None and not is_other and _LANGUAGE.fullmatch(tag.replace("_", "-")):
            language = tag.replace("_", "-")
        elif language is None and tag in LANGUAGE_NAMES:
            language = LANGUAGE_NAMES[tag]
        elif tag and tag in KINDS:
            kind = max(kind, tag, key=KINDS.__getitem__)
        else:
            return None
    return (None if language == "und" else language), kind


def _choose(sidecars: list[Sidecar], images: Container[str]) -> Sidecars:
    chosen: dict[str | None, Sidecar] = {}
    unread = []
    for sidecar in sorted(sidecars, key=_rank):
        if sidecar.path in images:
            unread.append((sidecar.path, "its text is images. Convert it to .srt (by OCR), or remove it."))
        elif os.path.splitext(sidecar.path)[1].lower() in OTHER_SUFFIXES:
            unread.append((sidecar.path, f"only {', '.join(SUFFIXES)} are read. Convert it, or remove it."))
        elif sidecar.language in chosen:
            better = chosen[sidecar.language].path
            unread.append((sidecar.path, f"{better} has the same text in that language. Remove one of the two."))
        else:
            chosen[sidecar.language] = sidecar
    return Sidecars(tuple(chosen.values()), tuple(unread))


def _rank(sidecar: Sidecar) -> tuple[object, ...]:
    """Languages in their order, and of one language the best first."""
    language = sidecar.language or ""
    suffix = os.path.splitext(sidecar.path)[1].lower()
    format_rank = (SUFFIXES + OTHER_SUFFIXES).index(suffix)
    return bool(language), language not in _ENGLISH, language, KINDS[sidecar.kind], format_rank, sidecar.path
