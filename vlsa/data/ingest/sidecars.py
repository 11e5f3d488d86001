"""Which subtitle files belong to which media files, by their names, and in which language they are.

`cat.srt`, `cat.en.srt`, `cat.en.sdh.srt` and `cat.pt-BR.forced.vtt` are of `cat.mp4`. What stands between the name and
the suffix is a language of two or three letters, a kind, or both; with anything else in it a file is of no media. Pure
functions of names; used by listing.py.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from vlsa.data.media.subtitles import SUFFIXES

OTHER_SUFFIXES = (".sub", ".sup", ".smi", ".sbv", ".ttml")
"""Subtitles that are not read."""
KINDS = {"": 0, "default": 1, "full": 2, "sdh": 3, "cc": 4, "hi": 5, "forced": 6, "signs": 7}
"""Of one language, the file of the first of these is read: forced subtitles, of signs alone, only if there are no
others. `hi` after a language is for the hard of hearing."""
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_ENGLISH = ("en", "eng")


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
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES + OTHER_SUFFIXES


def assign_sidecars(media: Iterable[str], subtitles: Iterable[str]) -> dict[str, Sidecars]:
    """The subtitle files of each media file that has any. Paths are relative, with forward slashes."""
    by_stem: dict[str, list[str]] = {}
    for name in media:
        by_stem.setdefault(_normal(os.path.splitext(name)[0]), []).append(name)
    found: dict[str, list[Sidecar]] = {}
    for path in sorted(subtitles):
        stem, sidecar = _sidecar(path, by_stem)
        for name in by_stem.get(stem, ()):
            found.setdefault(name, []).append(sidecar)
    return {name: _choose(sidecars) for name, sidecars in found.items()}


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _sidecar(path: str, stems: Mapping[str, object]) -> tuple[str, Sidecar]:
    """The longest stem of a media file that a subtitle file's name begins with, and what the rest says."""
    stem = _normal(os.path.splitext(path)[0])
    tags: list[str] = []
    while stem not in stems:
        stem, dot, tag = stem.rpartition(".")
        if not dot or "/" in tag:
            return "", Sidecar(path)
        tags.insert(0, tag.lower())
    described = _described(tags)
    return ("", Sidecar(path)) if described is None else (stem, Sidecar(path, *described))


def _described(tags: list[str]) -> tuple[str | None, str] | None:
    """Language and kind; None for parts of a name that are neither."""
    language, kind = None, ""
    for tag in tags:
        if language is None and tag not in KINDS.keys() - {"hi"} and _LANGUAGE.fullmatch(tag):
            language = tag
        elif tag and tag in KINDS:
            kind = max(kind, tag, key=KINDS.__getitem__)
        else:
            return None
    return (None if language == "und" else language), kind


def _choose(sidecars: list[Sidecar]) -> Sidecars:
    chosen: dict[str | None, Sidecar] = {}
    unread = []
    for sidecar in sorted(sidecars, key=_rank):
        if os.path.splitext(sidecar.path)[1].lower() in OTHER_SUFFIXES:
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
