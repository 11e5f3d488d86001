"""Checkpoints: safetensors only, never pickle; each save is atomic, read back and compared; each load is strict.

    RUN/checkpoints/step-00000600/model.safetensors      weights; settings and tokenizer in its header
    RUN/checkpoints/step-00000600/training.safetensors   AdamW's moments; the step and the data in its header

Under FSDP2 each process writes the rows that it holds (sharded_files.py); any number of processes reads them.
Written by loop.py; read by retrieve/encode/ and a resumed loop.py. A model.safetensors alone is a whole model.
"""

import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.base.processes import from_main, in_parts, rank, wait_for_all
from vlsa.config import Config
from vlsa.config.overrides import from_dict, to_dict
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.types import SpecialTokens
from vlsa.model.vlsa import VLSA
from vlsa.pretrain import sharded_files
from vlsa.pretrain.metrics_log import EXPORT_FILE, NO_RUNS
from vlsa.pretrain.model_fingerprint import for_header, former_name, name_now
from vlsa.pretrain.stored_sizes import require_stored_sizes

FORMAT, VERSION = "vlsa-model", "2"
MODEL_FILE, TRAINING_FILE = "model.safetensors", "training.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq")
FOLDER = re.compile(r"step-\d{8}")
"""Name of a checkpoint; that of one half written has an ending."""


@dataclass(frozen=True)
class TrainingState:
    """What is needed in addition to the weights to resume: everything else follows from the settings and the step."""

    step: int
    """Steps done."""
    data: str
    """Fingerprint of the training clips."""
    seconds: float
    """Training time so far."""
    first_loss: float | None = None
    """Loss of the run's first step, to which later losses are compared."""
    precision: str | None = None
    """Of the matrix products of the steps done, which "auto" leaves to the device; vlsa 0.10 did not record it."""


def build_model(config: Config, tokenizer: Tokenizer) -> VLSA:
    """A fresh model; its weights follow from the seed alone."""
    with torch.random.fork_rng(devices=[]):  # weights are drawn on the CPU
        torch.default_generator.manual_seed(config.train.seed)
        return VLSA(config.model, SpecialTokens(tokenizer.start_id, tokenizer.stop_id, tokenizer.mask_id))


class _NothingDrawn(TorchFunctionMode):
    """Random initialisation does nothing inside: the weights are about to be replaced by loaded ones."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (Tensor.uniform_, Tensor.normal_):
            return args[0]
        if function in (nn.init.kaiming_uniform_, nn.init.uniform_, nn.init.normal_):
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return (torch.empty if function is torch.randn else function)(*args, **(kwargs or {}))


def checkpoints(run_path: str | Path) -> list[Path]:
    """The checkpoint folders of a run, oldest first. A copy by another name is not the run's to load or to remove."""
    return sorted(path for path in Path(run_path).glob("checkpoints/step-*") if FOLDER.fullmatch(path.name))


def step_of(path: Path) -> int:
    """The step after which a checkpoint was saved, by its name."""
    return int(path.name.removeprefix("step-"))


def agreed(run_path: str | Path) -> list[Path]:
    """`checkpoints`, for each process. Raises CheckpointError where one sees others than rank 0 does."""
    saved = checkpoints(run_path)
    names = [path.name for path in saved]
    if from_main(names) != names:
        raise CheckpointError(
            f"{run_path}: holds other checkpoints on this machine than on that of rank 0; the processes would train "
            "different models. Name a folder that all machines share."
        )
    return saved


@contextmanager
def unchanged(run_path: str | Path, saved: list[Path]) -> Iterator[None]:
    """Raises CheckpointError when the run has other checkpoints than were found before its folder was held."""
    if rank() == 0 and checkpoints(run_path) != saved:
        raise CheckpointError(
            f"{run_path}: another process trained this run meanwhile; its steps would be lost. "
            "Run the same command again: it resumes from there."
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

    Of several processes all must ask: rank 0 writes, and each its part of what is in parts. Raises CheckpointError when
    the disk refuses or gives back other bytes.
    """
    path = Path(run_path) / "checkpoints" / f"step-{state.step:08d}"
    partial = path.with_suffix(".partial")
    try:
        if rank() == 0:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        wait_for_all()
        write_model(partial / MODEL_FILE, model, tokenizer, config, step=str(state.step))
        training = {name: str(value) for name, value in asdict(state).items() if value is not None}
        sharded_files.write(_moments(model, optimizer), partial / TRAINING_FILE, training)
        wait_for_all()
        if rank() == 0:
            _put_in_place(partial, path, num_kept)
    except (OSError, SafetensorError) as error:  # a full disk is the latter
        raise CheckpointError(
            f"{path}: could not be written ({error}); training up to step {state.step} would be lost. "
            "Free some space or fix the rights, then run the same command again."
        ) from error
    wait_for_all()
    return path


def write_model(path: Path, model: VLSA, tokenizer: Tokenizer, config: Config, **facts: str) -> None:
    """A model.safetensors, which is all that `load_model` needs; raises as `sharded_files.write`."""
    weights = model.state_dict()
    about = {"format": FORMAT, "version": VERSION, "config": json.dumps(to_dict(config)), **facts}
    fingerprint = for_header(config.model, tokenizer, weights) if rank() == 0 else {}
    sharded_files.write(weights, path, {**about, "tokenizer": tokenizer.to_json(), **fingerprint})


def _put_in_place(partial: Path, path: Path, num_kept: int) -> None:
    sharded_files.sync(partial)
    shutil.rmtree(path, ignore_errors=True)
    os.replace(partial, path)
    sharded_files.sync(path.parent)
    for old in checkpoints(path.parents[1])[:-num_kept]:
        shutil.rmtree(old)


def load_model(path: str | Path) -> tuple[VLSA, Tokenizer, Config]:
    """Model, tokenizer and settings of a run, a checkpoint, or a model.safetensors. Raises CheckpointError."""
    path = model_file(path)
    weights, _, header = sharded_files.read(path)
    weights = {name_now(name): weight for name, weight in weights.items()}
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path}: no VLSA model in it; its weights have no settings. Give the folder of a run.")
    if header.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: version {str(header.get('version'))[:20]} of the format, this vlsa reads {VERSION}; it would be "
            "misread. Use the vlsa that wrote it."
        )
    tokenizer = Tokenizer.from_json(header.get("tokenizer", ""), str(path))
    try:
        config = from_dict(Config, _parse_settings(header, path))
        require_stored_sizes(config.model, weights, tokenizer.vocabulary_size, path)
    except (ConfigError, ArithmeticError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: written with settings that this vlsa does not have ({str(error)[:300]}); its weights would not "
            "fit. Use the vlsa that wrote it."
        ) from error
    with _NothingDrawn():
        model = build_model(config, tokenizer)
    load_weights(model, weights, path)
    return model, tokenizer, config


def _parse_settings(header: dict[str, Any], path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(header["config"])
    except (KeyError, ValueError, RecursionError) as error:
        raise sharded_files.damaged(path, "no settings in its header") from error
    if not isinstance(settings, dict):
        raise sharded_files.damaged(path, "no settings in its header")
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
    folder, path = path, sharded_files.find(path / TRAINING_FILE) or path / TRAINING_FILE
    parameters = {f"{kind}/{name}": parameter for name, parameter in _trained(model) for kind in MOMENTS}
    rows = {name: sharded_files.row_range(parameter) for name, parameter in parameters.items()}
    former = {former_name(name): some for name, some in rows.items()}
    moments, shapes, header = sharded_files.read(path, rows | former)
    moments, shapes = ({name_now(name): value for name, value in part.items()} for part in (moments, shapes))
    if shapes != {name: tuple(parameter.shape) for name, parameter in parameters.items()}:
        raise CheckpointError(f"{path}: moments of another model; training cannot resume. Start a new run.")
    try:
        first_loss = float(header["first_loss"]) if "first_loss" in header else None
        facts = int(header["step"]), header["data"], float(header["seconds"])
        state = TrainingState(*facts, first_loss, header.get("precision"))
    except (KeyError, ValueError) as error:
        raise sharded_files.damaged(path, f"its header: {error}") from error
    if not (0 <= state.step < 2**63 and math.isfinite(state.seconds) and math.isfinite(first_loss or 0.0)):
        raise sharded_files.damaged(path, f"its header: {state.step} steps, {state.seconds} s, first loss {first_loss}")
    _require_one_save(folder, state.step)
    for name, parameter in _trained(model):
        step = torch.tensor(float(state.step), device=parameter.device)  # a fused update wants it there
        kept = {kind: _as_part(moments[f"{kind}/{name}"], parameter) for kind in MOMENTS}
        optimizer.state[parameter] = {"step": step, **kept}
    return state


def _require_one_save(folder: Path, step: int) -> None:
    """Raises CheckpointError for moments of another step than the weights, or than the folder's name says."""
    of_weights = sharded_files.header(model_file(folder)).get("step", str(step))  # before 0.3 there was none
    if (of_weights, folder.name) != (str(step), f"step-{step:08d}"):
        found = f"weights of step {of_weights}, moments of step {step}, folder {folder.name}"
        raise sharded_files.damaged(folder, found)


def _as_part(rows: Tensor, parameter: Tensor) -> Tensor:
    """A moment of a parameter of which this process may hold some rows."""
    moment = torch.zeros_like(parameter)
    (moment.to_local() if in_parts(moment) else moment).copy_(rows)
    return moment


def _trained(model: VLSA) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def _moments(model: VLSA, optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    moments = {}
    for name, parameter in _trained(model):
        state = optimizer.state[parameter]
        # A parameter that the objective does not touch has no moments yet: they are zero.
        for kind in MOMENTS:
            moments[f"{kind}/{name}"] = state[kind] if kind in state else torch.zeros_like(parameter)
    return moments


def model_file(path: str | Path) -> Path:
    """The weights that `load_model` would read: those of a run's newest checkpoint, say; of parts, one of them.

    Raises CheckpointError.
    """
    path = Path(path)
    if path.is_file():
        return path
    if found := sharded_files.find(path / MODEL_FILE):
        return found
    if path.parent.name == "checkpoints" and path.is_dir():
        raise sharded_files.damaged(path, f"no {MODEL_FILE} in it")
    if saved := checkpoints(path):
        return model_file(saved[-1])
    if (path / EXPORT_FILE).exists():
        why = "a model exported for encoding; this needs its weights in PyTorch, which are not in there"
        raise CheckpointError(f"{path}: {why}. Give the run that it was exported from.")
    if other := next((what for name, what in NO_RUNS.items() if (path / name).exists()), None):
        raise CheckpointError(f"{path}: is {other}, and no run; there is no model in it. Give the folder of a run.")
    what = "no checkpoint in it yet" if path.is_dir() else "no such run"
    advice = f"Train one: vlsa pretrain --recipe tiny --data STORE --out {path}"
    raise CheckpointError(f"{path}: {what}; there is no model to load. {advice}")


def training_data(path: Path) -> str | None:
    """Fingerprint of the clips that a checkpoint file was trained on; None for a model.safetensors by itself."""
    found = sharded_files.find(path.parent / TRAINING_FILE)
    return sharded_files.header(found).get("data") if found else None
