"""Annotated clips put in order before their media are searched for: one a key, blank captions out, faults reported.

Used by convert.py.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from vlsa.data.benchmarks.requests import AnnotatedClip
from vlsa.data.ingest.manifest import Rejection

LONGEST_ID = 80
STRICTEST_FIRST = ("test", "val", "train")


def merge(clips: Iterable[AnnotatedClip]) -> tuple[list[AnnotatedClip], list[Rejection]]:
    """One clip a key and split, with all its texts; a key in two splits stays in the one that is held out.

    A text that another file has given already (a set's whole list and its test list) counts once.
    """
    merged: dict[tuple[str, str], AnnotatedClip] = {}
    known_from: dict[tuple[str, str], dict[str, Path]] = {}
    splits: dict[str, str] = {}
    for clip in clips:
        key = (clip.key, clip.split)
        splits[clip.key] = min(splits.get(clip.key, clip.split), clip.split, key=STRICTEST_FIRST.index)
        if key not in merged:
            merged[key] = clip
            continue
        if key not in known_from:  # rarely: most clips of a large set come once
            known_from[key] = dict.fromkeys(merged[key].texts, merged[key].path)
        new = tuple(text for text in clip.texts if known_from[key].get(text, clip.path) == clip.path)
        if new:
            known_from[key] |= dict.fromkeys(new, clip.path)
            merged[key] = replace(merged[key], texts=merged[key].texts + new)
    kept = [clip for clip in merged.values() if splits[clip.key] == clip.split]
    doubled = [clip for clip in merged.values() if splits[clip.key] != clip.split]
    return kept, [
        rejection(
            clip,
            reason="duplicate",
            message=f"{clip.where}: this clip is in split {splits[clip.key]} too; it is left out of {clip.split}, "
            "or the score would be that of training clips.",
        )
        for clip in doubled
    ]


def without_blanks(clips: Iterable[AnnotatedClip]) -> tuple[list[AnnotatedClip], int]:
    """The clips without blank captions, and how many those were."""
    clips = list(clips)
    whole = [replace(clip, texts=tuple(filter(None, clip.texts))) if "" in clip.texts else clip for clip in clips]
    return whole, sum(clip.texts.count("") for clip in clips)


def fault_of(clip: AnnotatedClip) -> Rejection | None:
    """What is wrong with a clip by its annotations alone."""
    if clip.fault:
        return rejection(clip, reason="malformed", message=clip.fault)
    if not clip.texts:
        message = f"{clip.where}: no caption; nothing could be learned from or asked about it."
        return rejection(clip, reason="no_caption", message=message)
    if clip.span and clip.span[1] <= clip.span[0]:
        message = f"{clip.where}: stops at {clip.span[1]:g} s and starts at {clip.span[0]:g} s; nothing is between."
        return rejection(clip, reason="zero_length", message=message)
    return None


def row_id(key: str) -> str:
    """A clip's key as an id: itself where it can be one, else made safe, with a digest that keeps it unique."""
    safe = re.sub(r"[^A-Za-z0-9_@-]", "_", key)
    if safe == key and len(key) <= LONGEST_ID:
        return key
    return f"{safe[:LONGEST_ID]}-{hashlib.sha1(key.encode()).hexdigest()[:8]}"


def rejection(clip: AnnotatedClip, reason: str, message: str, path: str = "") -> Rejection:
    """A clip that is left out."""
    start, stop = clip.span or (None, None)
    return Rejection(row_id(clip.key), path, start, stop, reason, " ".join(message.split()))
