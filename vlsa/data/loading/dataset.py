"""What --data names: a store, splits of one, a list of clips in media files, or a made world."""

from pathlib import Path

from vlsa.base.files import read_json_lines
from vlsa.data.clip import Dataset
from vlsa.data.curate.splits_file import open_clips
from vlsa.data.world.rendered import PREFIX, WorldClips, WorldSpec


def open_dataset(data: str | Path) -> Dataset:
    """A store made by `prepare` (or a splits file of one), media files by a list of clips, or a made world.

    Clips of a list are decoded, and those of a made world are rendered, as they are read. Raises StoreError,
    ConfigError, ManifestError.
    """
    if str(data).startswith(PREFIX):
        return WorldClips(WorldSpec.parse(str(data)))
    if _is_list(Path(data)):
        from vlsa.data.loading.raw_clips import RawClips  # needs PyAV, which a store does not

        return RawClips.open(data)
    return open_clips(data)


def can_measure(data: str | Path, split: str = "test") -> bool:
    """Whether a split holds enough clips to rank: two. Raises StoreError."""
    return len(open_dataset(data).rows(split)) >= 2


def _is_list(path: Path) -> bool:
    """Whether a file is a list of clips, by its first line."""
    if not path.is_file():
        return False
    try:
        first = next(iter(read_json_lines(path)), None)
    except (OSError, ValueError):
        return False
    return isinstance(first, dict) and {"id", "path"} <= first.keys()
