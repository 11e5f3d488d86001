"""Names of public encoders: FAMILY:FOLDER, FAMILY:HUB-ID, or several of them with + between; all else is a path.

Read by encoders.py and the index; imports nothing but settings, so that a name is checked before a library is loaded.
"""

import os
import re
from typing import NamedTuple

from vlsa.base.errors import ConfigError
from vlsa.config.overrides import nearest

SPACES = {
    "clip": ("video-text",),
    "siglip": ("video-text",),
    "clap": ("audio-text",),
    "pe-av": ("audio-video", "audio-text", "video-text"),
}
"""What stands before the colon, and the pairs of modalities that the family compares."""
MODEL_TYPES = {"clip": ("clip",), "siglip": ("siglip", "siglip2"), "clap": ("clap",), "pe-av": ("pe_audio_video",)}
"""What config.json says."""
OWN = "vlsa"
"""A run of vlsa, or a repository that `vlsa export hub` made."""
FAMILIES = (*SPACES, OWN)
_PREFIX = re.compile(r"([a-z][a-z0-9-]+):(?=.)")
_BETWEEN = re.compile(rf"\+(?=(?:{'|'.join(FAMILIES)}):)")


class EncoderName(NamedTuple):
    """One encoder of a name."""

    family: str
    where: str
    """A folder, or a hub id."""

    def __str__(self) -> str:
        return f"{self.family}:{self.where}"


def parse(name: str) -> tuple[EncoderName, ...]:
    """The encoders that are named; none for the path of a run. Raises ConfigError for an unknown family."""
    prefix = _PREFIX.match(name)
    if not prefix or os.path.exists(name):
        return ()
    if prefix[1] not in FAMILIES:
        raise ConfigError(
            f"{name}: {prefix[1]} is not a family of encoders; nothing can be loaded. {nearest(prefix[1], FAMILIES)} "
            "Give FAMILY:FOLDER-OR-HUB-ID, or the path of a run."
        )
    parts = [EncoderName(*part.split(":", 1)) for part in _BETWEEN.split(name)]
    for part in parts:
        if not part.where:
            raise ConfigError(f"{name}: {part.family} names no checkpoint. Give {part.family}:FOLDER-OR-HUB-ID.")
    return tuple(parts)


def absolute(name: str) -> str:
    """The same name from whatever folder it is read: paths become absolute, hub ids stay."""
    parts = parse(name)
    if not parts:
        return os.path.abspath(name)
    return "+".join(
        f"{part.family}:{os.path.abspath(part.where) if os.path.isdir(part.where) else part.where}" for part in parts
    )
