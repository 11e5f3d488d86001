"""The digest of a file's content: equal for copies, another one for any byte of a small file."""

from vlsa.data.media import content_digest as module
from vlsa.data.media.content_digest import content_digest


def digest_of(path, data: bytes) -> str:
    path.write_bytes(data)
    return content_digest(path)


def test_any_byte_of_a_small_file_counts(tmp_path):
    data = bytes(range(200))
    assert digest_of(tmp_path / "a", data) == digest_of(tmp_path / "b", data)
    assert digest_of(tmp_path / "a", data).startswith("whole:")
    others = {digest_of(tmp_path / "a", data[:k] + b"\xff" + data[k + 1 :]) for k in range(200)}
    assert len(others) == 200
    assert digest_of(tmp_path / "a", b"") != digest_of(tmp_path / "a", b"0")


def test_of_a_large_file_its_size_and_three_samples_count(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SAMPLE_BYTES", 10)
    data = bytes(100)
    same = digest_of(tmp_path / "a", data)
    assert same.startswith("sampled:")
    changed = [
        place for place in range(100) if digest_of(tmp_path / "a", data[:place] + b"x" + data[place + 1 :]) != same
    ]
    assert changed == [*range(10), *range(45, 55), *range(90, 100)]
    assert digest_of(tmp_path / "a", bytes(101)) != same
