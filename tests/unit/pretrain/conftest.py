"""A run that has begun, for the tests of going on with one."""

from pathlib import Path

import pytest
from tiny import tiny_run, tiny_source

from vlsa.pretrain.loop import pretrain


@pytest.fixture
def begun(tmp_path) -> Path:
    """A run of two steps, done."""
    pretrain(tiny_run(num_steps=2), tiny_source(), tmp_path)
    return tmp_path
