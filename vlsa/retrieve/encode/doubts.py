"""Reasons to doubt the vectors of a model, logged before it encodes anything.

Reads the facts of an encoder (protocol.py) and of data; used by evaluate/, index/ and the exports.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlsa.data.clip import Dataset
    from vlsa.retrieve.encode.protocol import Encoder

_LOG = logging.getLogger(__name__)


def log_unfinished(about: Mapping[str, Any], consequence: str) -> None:
    """A warning for a run whose training is not finished. `about`: of an encoder."""
    done, planned = about.get("step"), about.get("num_steps")
    if done is not None and planned is not None and done < planned:
        _LOG.warning("%s: step %d of %d of its training; %s", about.get("run", "the model"), done, planned, consequence)


def log_small_frames(encoder: "Encoder", source: "Dataset") -> None:
    """A warning for clips whose frames are kept smaller than the model takes them."""
    from vlsa.pretrain.preflight import small_frames

    size_px = encoder.window.short_side_px
    if small := small_frames(source, size_px):
        _LOG.warning("%s; prepare the data again with --short-side %d", small, size_px)
