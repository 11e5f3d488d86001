"""What --data names: a store made by `vlsa prepare`, splits of one, or a made world that is rendered as it is read."""

from pathlib import Path

from vlsa.data.clip import Dataset
from vlsa.data.curate.splits_file import open_clips
from vlsa.data.world.rendered import PREFIX, WorldClips, WorldSpec


def open_dataset(data: str | Path) -> Dataset:
    """A store made by `prepare` (or a splits file of one), or a made world that is rendered as it is read.

    Raises StoreError, ConfigError.
    """
    return WorldClips(WorldSpec.parse(str(data))) if str(data).startswith(PREFIX) else open_clips(data)


def can_measure(data: str | Path, split: str = "test") -> bool:
    """Whether a split holds enough clips to rank: two. Raises StoreError."""
    return len(open_dataset(data).rows(split)) >= 2
