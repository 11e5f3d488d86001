"""Damaged and hostile variants of JSON documents, and pipes in the place of files: only a VlsaError may come out."""

import copy
import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jaxtyping

from vlsa.base.errors import VlsaError

DEEP = json.loads("[" * 200 + "]" * 200)
VALUES = (
    None, True, -1, 0, 1, 2, 255, 2**31, 2**63, 2**64, 10**30, -(10**30), 0.5, 1e308, -1e308, float("nan"),
    float("inf"), "", "x", "5", "half \ud800", "\x1b]0;title\x07\n", "x" * 5000, [], [1], ["x"], [-5, 100], [[[]]],
    DEEP, {}, {"x": 1}, {"id": "x"},
)  # fmt: skip
"""Put in the place of every value of a document, one at a time."""


def variants(document: Any) -> Iterator[Any]:
    """The document with each of its values, at any depth, replaced, removed, or doubled."""
    for place in list(_places(document)):
        for value in VALUES:
            yield _edited(document, place, lambda parent, key, value=value: parent.__setitem__(key, value))
        if place:
            yield _edited(document, place, lambda parent, key: parent.pop(key))
            yield _edited(document, place, _double)


def damaged_bytes(data: bytes, number: int) -> bytes:
    """The bytes cut, changed or doubled at some places, as the number says."""
    random_numbers = random.Random(number)
    damaged = bytearray(data)
    for _ in range(random_numbers.choice((1, 1, 3, 20))):
        start = random_numbers.randrange(len(damaged) + 1)
        stop = min(start + random_numbers.choice((0, 1, 1, 4, 30)), len(damaged))
        damaged[start:stop] = random_numbers.choice(
            (b"", bytes([random_numbers.randrange(256)]), b"9" * 30, b"[" * 30, bytes(damaged[:stop]))
        )
    return bytes(damaged)


def only_errors_of_ours(action: Callable[[], Any], about: object) -> None:
    """Run it: it works, or raises a VlsaError; it never takes more than some seconds."""
    try:
        with time_limit(20), suppress(VlsaError):
            action()
    except BaseException as error:
        raise AssertionError(f"{type(error).__name__} for {str(about)[:500]}") from error


@contextmanager
def without_checks_of_types() -> Iterator[None]:
    """As users run it: else a check refuses what is of another type, before the code itself has to.

    For a test as a whole it is a decorator.
    """
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in what waits for ever."""

    def late(*_: object) -> None:
        raise TimeoutError(f"no answer within {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def put_pipe(path: Path) -> Path:
    """A named pipe in the place of a file: whoever reads it waits for ever."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*place, key))


def _edited(document: Any, place: tuple[Any, ...], change: Callable[[Any, Any], Any]) -> Any:
    whole = [copy.deepcopy(document)]
    parent: Any = whole
    for key in (0, *place)[:-1]:
        parent = parent[key]
    change(parent, (0, *place)[-1])
    return whole[0]


def _double(parent: Any, key: Any) -> None:
    if isinstance(parent, list):
        parent.insert(key, parent[key])
    else:
        parent[f"{key}_"] = parent[key]
