"""The digest of a file's content: equal for copies, another one for any byte of a file of any size."""

import hashlib
import os

import pytest

from vlsa.data.media.content_digest import content_digest


def digest_of(path, data: bytes) -> str:
    path.write_bytes(data)
    return content_digest(path)


def test_it_is_blake2b_of_all_bytes(tmp_path):
    for data in (b"", b"0", bytes(range(256)) * 20_000):  # up to 5 MB, many times what is read at once
        assert digest_of(tmp_path / "a", data) == hashlib.blake2b(data, digest_size=16).hexdigest()


def test_any_byte_of_a_file_counts(tmp_path):
    data = bytes(range(200))
    others = {digest_of(tmp_path / "a", data[:k] + b"\xff" + data[k + 1 :]) for k in range(200)}
    assert len(others) == 200


def test_a_pipe_has_no_digest_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(OSError, match="not a regular file"):
        content_digest(tmp_path / "a.wav")
