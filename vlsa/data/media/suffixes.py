"""Which files count as media, by the ending of their names. Used by ingest, benchmarks, frames.py and the search."""

VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .ts .mts .m2ts .mpg .mpeg .ogv .flv .wmv .3gp".split()  # noqa: SIM905
)
SOUND_SUFFIXES = frozenset(".wav .mp3 .flac .m4a .aac .ogg .opus".split())  # noqa: SIM905
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
MEDIA_SUFFIXES = VIDEO_SUFFIXES | SOUND_SUFFIXES
