"""Checkpoints: safetensors only, never pickle; each save is atomic, read back and compared; each load is strict.

    RUN/checkpoints/step-00000600/model.safetensors      weights; settings and tokenizer in its header
    RUN/checkpoints/step-00000600/training.safetensors   AdamW's moments; the step and the data in its header

Reads what loop.py trains; feeds retrieve/encoders.py and a resumed loop.py. A model.safetensors alone is a whole model.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from vlsa.config import Config
from vlsa.data.tokenizer import Tokenizer
from vlsa.errors import CheckpointError, ConfigError
from vlsa.model.state import SpecialWords
from vlsa.model.vlsa import VLSA
from vlsa.settings import from_dict, to_dict

FORMAT, VERSION = "vlsa-model", "2"
MODEL_FILE, TRAINING_FILE = "model.safetensors", "training.safetensors"


@dataclass(frozen=True)
class TrainingState:
    """What is needed beside the weights to go on: everything else follows from the settings and the step."""

    step: int
    """Steps done."""
    data: str
    """Fingerprint of the training clips."""
    seconds: float
    """Training time so far."""


def build_model(config: Config, tokenizer: Tokenizer) -> VLSA:
    """A fresh model; its weights follow from the seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(config.train.seed)
        return VLSA(config.model, SpecialWords(tokenizer.start_id, tokenizer.stop_id, tokenizer.mask_id))


def checkpoints(run_path: str | Path) -> list[Path]:
    """The checkpoint folders of a run, oldest first."""
    return sorted(path for path in Path(run_path).glob("checkpoints/step-*") if path.suffix != ".partial")


@contextmanager
def unchanged(run_path: str | Path, saved: list[Path]) -> Iterator[None]:
    """Raises CheckpointError when the run has other checkpoints than were found before its folder was held."""
    if checkpoints(run_path) != saved:
        raise CheckpointError(
            f"{run_path}: another process went on with this run meanwhile; its steps would be lost. "
            "Run the same command again: it goes on from there."
        )
    yield


def save(
    run_path: str | Path,
    model: VLSA,
    optimizer: torch.optim.AdamW,
    tokenizer: Tokenizer,
    config: Config,
    state: TrainingState,
    num_kept: int = 2,
) -> Path:
    """Write a checkpoint under a temporary name, read it back, rename it; keep the newest `num_kept`.

    Raises CheckpointError when the disk refuses or gives back other bytes.
    """
    path = Path(run_path) / "checkpoints" / f"step-{state.step:08d}"
    partial = path.with_suffix(".partial")
    header = {
        "format": FORMAT,
        "version": VERSION,
        "config": json.dumps(to_dict(config)),
        "tokenizer": tokenizer.to_json(),
    }
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _save_checked(model.state_dict(), partial / MODEL_FILE, header)
        training = {"step": str(state.step), "data": state.data, "seconds": str(state.seconds)}
        _save_checked(_moments(model, optimizer), partial / TRAINING_FILE, training)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)
        _sync(path.parent)
    except (OSError, SafetensorError) as error:  # a full disk is the latter
        raise CheckpointError(
            f"{path}: could not be written ({error}); training up to step {state.step} would be lost. "
            "Free some space or fix the rights, then run the same command again."
        ) from error
    for old in checkpoints(run_path)[:-num_kept]:
        shutil.rmtree(old)
    return path


def load_model(path: str | Path) -> tuple[VLSA, Tokenizer, Config]:
    """Model, tokenizer and settings of a run, a checkpoint, or a model.safetensors. Raises CheckpointError."""
    path = model_file(path)
    weights, header = _load(path)
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path}: no VLSA model in it; its weights have no settings. Give the folder of a run.")
    if header.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: version {header.get('version')} of the format, this vlsa reads {VERSION}; it would be misread. "
            "Use the vlsa that wrote it."
        )
    tokenizer = Tokenizer.from_json(header.get("tokenizer", ""), str(path))
    try:
        config = from_dict(Config, _parse_settings(header, path))
    except ConfigError as error:
        raise CheckpointError(
            f"{path}: written with settings that this vlsa does not have ({error}); its weights would not fit. "
            "Use the vlsa that wrote it."
        ) from error
    model = build_model(config, tokenizer)
    load_weights(model, weights, path)
    return model, tokenizer, config


def _parse_settings(header: dict[str, Any], path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(header["config"])
    except (KeyError, ValueError, RecursionError) as error:
        raise _damaged(path, "no settings in its header") from error
    if not isinstance(settings, dict):
        raise _damaged(path, "no settings in its header")
    return settings


def load_weights(model: VLSA, weights: dict[str, Tensor], path: Path) -> None:
    """Every weight, and nothing else. Raises CheckpointError naming what does not fit."""
    own = model.state_dict()
    wrong = sorted(own.keys() ^ weights.keys())
    wrong += [name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape]
    if wrong:
        raise CheckpointError(
            f"{path}: {len(wrong)} weights do not fit the model, {wrong[0]} among them; it would answer nonsense. "
            "Use the vlsa and the settings that wrote it."
        )
    model.load_state_dict(weights)


def load_training(path: Path, model: VLSA, optimizer: torch.optim.AdamW) -> TrainingState:
    """Put AdamW's moments back and say how far the run was. Raises CheckpointError."""
    moments, header = _load(path / TRAINING_FILE)
    parameters = dict(_trained(model))
    expected = {f"{kind}/{name}" for name in parameters for kind in ("exp_avg", "exp_avg_sq")}
    fit = expected == moments.keys() and all(
        moments[f"{kind}/{name}"].shape == parameter.shape
        for name, parameter in parameters.items()
        for kind in ("exp_avg", "exp_avg_sq")
    )
    if not fit:
        raise CheckpointError(
            f"{path / TRAINING_FILE}: moments of another model; training cannot go on. Start a new run."
        )
    try:
        state = TrainingState(int(header["step"]), header["data"], float(header["seconds"]))
    except (KeyError, ValueError) as error:
        raise _damaged(path / TRAINING_FILE, f"its header: {error}") from error
    if state.step < 0:
        raise _damaged(path / TRAINING_FILE, f"its header: step {state.step}")
    for name, parameter in parameters.items():
        optimizer.state[parameter] = {
            "step": torch.tensor(float(state.step), device=parameter.device),  # a fused update wants it there
            "exp_avg": moments[f"exp_avg/{name}"].to(parameter.device),
            "exp_avg_sq": moments[f"exp_avg_sq/{name}"].to(parameter.device),
        }
    return state


def _trained(model: VLSA) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def _moments(model: VLSA, optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    moments = {}
    for name, parameter in _trained(model):
        state = optimizer.state[parameter]
        # A parameter that the objective does not touch has no moments yet: they are zero.
        for kind in ("exp_avg", "exp_avg_sq"):
            moments[f"{kind}/{name}"] = state.get(kind, torch.zeros_like(parameter))
    return moments


def model_file(path: str | Path) -> Path:
    """The weights that `load_model` would read: those of a run's newest checkpoint, say. Raises CheckpointError."""
    path = Path(path)
    if path.is_file():
        return path
    if (path / MODEL_FILE).is_file():
        return path / MODEL_FILE
    if path.parent.name == "checkpoints" and path.is_dir():
        raise _damaged(path, f"no {MODEL_FILE} in it")
    saved = checkpoints(path)
    if not saved:
        what = "no checkpoint in it yet" if path.is_dir() else "no such run"
        raise CheckpointError(
            f"{path}: {what}; there is no model to load. "
            f"Train one: vlsa pretrain --recipe tiny --data STORE --out {path}"
        )
    return saved[-1] / MODEL_FILE


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise CheckpointError(
            f"{path}: its name is not UTF-8; the library that reads weights takes no other. Rename the folder."
        ) from error
    try:
        with safe_open(path, "pt") as file:
            header = dict(file.metadata() or {})
        return load_file(path), header
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, what: object) -> CheckpointError:
    remedy = "Copy it again."
    folder = path if path.is_dir() else path.parent
    if folder.parent.name == "checkpoints":  # elsewhere the folder may hold anything
        remedy += f" Delete the folder {folder} to go back to the checkpoint before it."
    return CheckpointError(f"{path}: damaged or cut short ({what}); its weights cannot be trusted. {remedy}")


def _save_checked(tensors: dict[str, Tensor], path: Path, header: dict[str, str]) -> None:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, path, header)
    _sync(path)
    back, _ = _load(path)
    if any(not torch.equal(tensor, back[name]) for name, tensor in tensors.items() if not tensor.isnan().any()):
        raise CheckpointError(f"{path}: the disk gave back other bytes than were written; check the disk.")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
