"""The cache of what was read from an object store: bounded, least recently used first, shared, and never in the way."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from vlsa.base.errors import ConfigError
from vlsa.data.store.range_cache import RangeCache


def name(number: int) -> str:
    return f"{number * 7919 % 2**32:08x}{number:08x}"


def size_on_disk(cache: RangeCache) -> int:
    return sum(path.stat().st_size for path in cache.folder.glob("??/*"))


def age(cache: RangeCache, number: int, seconds: int) -> None:
    """Let an entry have been used at a time."""
    path = cache.folder / name(number)[:2] / name(number)
    os.utime(path, (seconds, seconds))


def test_what_was_kept_is_found_and_what_was_not_is_not(tmp_path):
    cache = RangeCache(tmp_path / "clips", 1000)
    cache.put(name(1), b"one")
    cache.put(name(2), b"")
    assert [cache.get(name(number)) for number in (1, 2, 3)] == [b"one", b"", None]
    cache.drop(name(1))
    cache.drop(name(3))
    assert cache.get(name(1)) is None


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    cache = RangeCache(tmp_path / "clips", 1000)
    for number in range(10):
        cache.put(name(number), bytes(100))
        age(cache, number, 1000 + number)
    assert cache.get(name(0)) == bytes(100)  # it was used just now
    cache.put(name(10), bytes(100))
    assert [number for number in range(11) if cache.get(name(number)) is None] == [1]
    age(cache, 3, 1)
    cache.put(name(11), bytes(150))
    assert cache.get(name(3)) is None
    assert size_on_disk(cache) <= 1000


def test_the_bound_holds_whatever_the_sizes_and_for_many_writers_at_once(tmp_path):
    caches = [
        RangeCache(tmp_path / "clips", 20_000) for _ in range(4)
    ]  # each opens the files by itself, as processes do
    sizes = [1 + number * 37 % 900 for number in range(400)]

    def keep(number: int) -> int:
        cache = caches[number % 4]
        cache.put(name(number), bytes([number % 256]) * sizes[number])
        found = cache.get(name(number))
        assert found in (None, bytes([number % 256]) * sizes[number])
        return size_on_disk_now(cache)

    def size_on_disk_now(cache: RangeCache) -> int:
        total = 0
        for path in cache.folder.glob("??/*"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue
        return total

    with ThreadPoolExecutor(8) as threads:
        most = max(threads.map(keep, range(400)))
    assert most <= 20_000
    assert 20_000 * 0.8 - 900 <= size_on_disk(caches[0]) <= 20_000
    assert all(caches[0].get(name(number)) is not None for number in range(396, 400))


def test_what_a_killed_writer_has_left_is_removed_and_its_count_mended(tmp_path):
    cache = RangeCache(tmp_path / "clips", 1000)
    cache.put(name(1), bytes(400))
    (cache.folder / "used").write_bytes(b"990")  # counted, and killed before it was written
    partial = cache.folder / name(1)[:2] / f"{name(2)}.partial"
    partial.write_bytes(bytes(590))
    cache.put(name(3), bytes(300))
    assert not partial.exists()
    assert (cache.get(name(1)), cache.get(name(3))) == (bytes(400), bytes(300))
    (cache.folder / "used").write_bytes(b"?")
    cache.put(name(4), bytes(200))
    assert (cache.folder / "used").read_bytes() == b"900"


def test_what_is_larger_than_the_bound_and_what_the_disk_refuses_is_not_kept(tmp_path):
    cache = RangeCache(tmp_path / "clips", 1000)
    cache.put(name(1), bytes(1001))
    assert not cache.folder.exists()
    nowhere = RangeCache(tmp_path / "file" / "clips", 1000)
    (tmp_path / "file").write_bytes(b"")
    nowhere.put(name(1), b"one")
    assert nowhere.get(name(1)) is None


@pytest.mark.parametrize(("text", "num_bytes"), [("", 20 * 2**30), ("0", 0), ("0.5", 2**29)])
def test_the_bound_is_a_variable(monkeypatch, tmp_path, text, num_bytes):
    monkeypatch.setenv("VLSA_CACHE", str(tmp_path))
    monkeypatch.setenv("VLSA_CACHE_GIB", text)
    cache = RangeCache.of_environment()
    assert (cache.folder, cache.most_bytes) == (tmp_path / "clips", num_bytes)


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_bound_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("VLSA_CACHE_GIB", text)
    with pytest.raises(ConfigError, match=f"^VLSA_CACHE_GIB={text}: not a size in GiB"):
        RangeCache.of_environment()
