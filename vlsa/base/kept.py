"""Values that are made once and kept by their key, up to a number of them."""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """The first `most` values; further ones are made each time. Sent to another process it is empty.

    First and not last: in an epoch each clip is asked for once, so that the last would be asked for last.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: dict[Key, Value] = {}

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.most,)

    def get(self, key: Key, make: Callable[[Key], Value]) -> Value:
        """The value of a key, `make(key)` where it is not kept."""
        try:
            return self._values[key]
        except KeyError:
            value = make(key)
        if len(self._values) < self.most:
            self._values[key] = value
        return value
