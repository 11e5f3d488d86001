"""A file that libav does not read as it is: what PyAV needs of one. Used by unread.py, wave_words.py and opening.py."""

import os


class FileView:
    """A file, byte by byte; others change what is read."""

    def __init__(self, path: str) -> None:
        self.name = path
        self._file = open(path, "rb")  # noqa: SIM115

    def read(self, size: int) -> bytes:
        """The next bytes."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._file.tell()

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):  # PyAV closes no file that it was given
            self._file.close()
