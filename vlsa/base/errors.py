"""Errors that the user can fix.

Each message is one line: where; what happened; why it matters; what to do. The command line prints it and exits with 2.
Any other exception is a bug in this code.
"""


class VlsaError(Exception):
    """Base of every error that the user can fix."""


class ConfigError(VlsaError):
    """A setting or a recipe that does not exist, or an invalid value."""


class LostProcess(VlsaError):
    """Another process of a distributed training ended early."""


class MediaError(VlsaError):
    """A media file, or a part of one, that cannot be decoded faithfully.

    `reason` is a short machine-readable word for reports (for example `missing`, `empty`, `truncated`, `no_streams`).
    """

    def __init__(self, message: str, reason: str = "unreadable") -> None:
        super().__init__(message)
        self.reason = reason


class CaptionError(VlsaError):
    """A caption or subtitle file that cannot be read."""


class ManifestError(VlsaError):
    """A list of clips that is malformed or empty."""


class StoreError(VlsaError):
    """A clip store that is missing, damaged, or of another version."""


class CheckpointError(VlsaError):
    """A checkpoint that is missing, truncated, or does not fit the model."""


class SearchIndexError(VlsaError):
    """A search index that is missing, damaged, empty, or made by another model."""


class ResultsError(VlsaError):
    """A results file that is missing, damaged, of another version, or not comparable with another."""
