"""The fingerprint of a model: equal for two models only if their vectors can be compared.

Written into each checkpoint by checkpoint.py, so that a search does not have to hash all weights; recorded in results,
indexes and exports. `vlsa doctor RUN` computes it again.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlsa.base.processes import in_parts
from vlsa.config import ModelConfig, ObjectiveConfig
from vlsa.config.overrides import to_dict
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.pretrain import sharded_files

HEADER_KEY = "fingerprint"
SINCE_05 = (
    "heads",
    "head_kind",
    "head_width",
    "audio_video_weight",
    "audio_text_weight",
    "video_text_weight",
    "teacher_weight",
    "pair_temperatures",
)
"""Settings of the objective that a model of version 0.4 does not have."""
FORMER_NAMES = {"heads.tokens": "matching.tokens"}
"""Weights by their names now, and those that versions before 0.5 wrote."""


def model_fingerprint(config: ModelConfig, tokenizer: Tokenizer, weights: Mapping[str, Tensor]) -> str:
    """Digest of the weights, the settings of the model, and the vocabulary; the same in every version that had them."""
    digest = hashlib.sha256(json.dumps(_settings(config), sort_keys=True).encode())
    digest.update(tokenizer.to_json().encode())
    for name, weight in sorted((FORMER_NAMES.get(name, name), weight) for name, weight in weights.items()):
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _settings(config: ModelConfig) -> dict[str, Any]:
    """As JSON, without settings at their defaults that are newer than the first fingerprint."""
    settings, defaults = to_dict(config), to_dict(ObjectiveConfig())
    newer = {name for name in SINCE_05 if settings["objective"][name] == defaults[name]}
    kept = {name: value for name, value in settings["objective"].items() if name not in newer}
    return {**settings, "objective": kept}


def name_now(name: str) -> str:
    """Of a weight, or of a moment of it ("exp_avg/NAME"), by the name that this or an earlier version wrote."""
    kind, slash, weight = name.rpartition("/")
    return kind + slash + {former: now for now, former in FORMER_NAMES.items()}.get(weight, weight)


def former_name(name: str) -> str:
    """The inverse of `name_now`."""
    kind, slash, weight = name.rpartition("/")
    return kind + slash + FORMER_NAMES.get(weight, weight)


def for_header(config: ModelConfig, tokenizer: Tokenizer, weights: Mapping[str, Tensor]) -> dict[str, str]:
    """The entry of a checkpoint's header; empty where no process holds all weights."""
    if any(map(in_parts, weights.values())):
        return {}
    return {HEADER_KEY: model_fingerprint(config, tokenizer, weights)}


def recorded_fingerprint(path: Path) -> str | None:
    """What a checkpoint file says; None for one written in parts, or before version 0.4. Raises CheckpointError."""
    return sharded_files.header(path).get(HEADER_KEY)


def recorded_steps(path: Path) -> int | None:
    """How many steps the weights of a checkpoint file were trained for; None for those written for the hub."""
    step = sharded_files.header(path).get("step", "")
    return int(step) if re.fullmatch(r"\d{1,18}", step, re.ASCII) else None


def verify_fingerprint(path: Path, config: ModelConfig, tokenizer: Tokenizer, weights: Mapping[str, Tensor]) -> str:
    """The computed fingerprint of a checkpoint file. Raises CheckpointError when the file records another one."""
    computed, recorded = model_fingerprint(config, tokenizer, weights), recorded_fingerprint(path)
    if recorded not in (None, computed):
        raise sharded_files.damaged(path, f"it records the fingerprint {recorded}, its weights have {computed}")
    return computed
