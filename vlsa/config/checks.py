"""Checks that the groups of settings share; each error says what to type."""

import math
from typing import Any

from vlsa.base.errors import ConfigError


def require(condition: bool, message: str) -> None:
    """Raise ConfigError with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def check_share(name: str, share: float) -> None:
    """Require a masked share to be in [0, 1)."""
    require(0 <= share < 1, f"{name}={share} must lie in [0, 1): something has to stay visible. Try 0.75.")


def check_least(group: str, settings: Any, least: int, *names: str) -> None:
    """Require these numbers of a group to be at least `least`."""
    for name in names:
        value = getattr(settings, name)
        message = f"{group}.{name}={value} must be at least {least}. Set {group}.{name}={least} or more."
        require(value >= least, message)


def check_heads(name: str, width: int, num_heads: int) -> None:
    """Require a width that heads, and the sines and cosines of positions, divide."""
    unit = math.lcm(num_heads, 8)
    require(
        width % unit == 0,
        f"{name}.width={width} must be a multiple of {name}.num_heads={num_heads} and of 8 (sine-cosine positions). "
        f"Try {name}.width={max(width // unit, 1) * unit}.",
    )
