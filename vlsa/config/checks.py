"""What every group of settings is checked with; each error says what to type."""

import math
from typing import Any

from vlsa.base.errors import ConfigError


def require(condition: bool, message: str) -> None:
    """Raises ConfigError with the message when the condition does not hold."""
    if not condition:
        raise ConfigError(message)


def check_share(name: str, share: float) -> None:
    """A share of what is hidden lies in [0, 1)."""
    require(0 <= share < 1, f"{name}={share} must lie in [0, 1): something has to stay visible. Try 0.75.")


def check_least(group: str, settings: Any, least: int, *names: str) -> None:
    """These numbers of a group are not below `least`."""
    for name in names:
        value = getattr(settings, name)
        message = f"{group}.{name}={value} must be at least {least}. Set {group}.{name}={least} or more."
        require(value >= least, message)


def check_heads(name: str, width: int, num_heads: int) -> None:
    """The width can be cut into heads, and into the sines and cosines of positions."""
    unit = math.lcm(num_heads, 8)
    require(
        width % unit == 0,
        f"{name}.width={width} must be a multiple of {name}.num_heads={num_heads} and of 8 (sine-cosine positions). "
        f"Try {name}.width={max(width // unit, 1) * unit}.",
    )
