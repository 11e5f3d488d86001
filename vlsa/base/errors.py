"""Errors that a person can mend.

Each message is one line: where; what happened; why it matters; what to do. The command line prints it and exits with 2.
Anything else that is raised is a bug of ours.
"""


class VlsaError(Exception):
    """Base of every error that the user can mend."""


class ConfigError(VlsaError):
    """A setting or a recipe that does not exist, or a value that cannot work."""


class LostProcess(VlsaError):
    """Another process of a training with several of them ended before its time."""


class MediaError(VlsaError):
    """A media file, or a stretch of one, that cannot be decoded faithfully.

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
    """A clip store that is missing, broken, or of another version."""


class CheckpointError(VlsaError):
    """A checkpoint that is missing, cut short, or does not fit the model."""


class SearchIndexError(VlsaError):
    """A search index that is missing, broken, empty, or made by another model."""


class ResultsError(VlsaError):
    """A file of results that is missing, broken, of another version, or that cannot be compared with another."""
