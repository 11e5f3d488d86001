"""Fine-tuning: a pre-trained model is trained on contrast alone, on the pairs of modalities that a retrieval needs.

Paper: VLSA (arXiv 2405.07202), section 4.1 and appendix D: 20 epochs, batches of 256. It does not name the objective;
ours is InfoNCE of the asked pairs (Eq. 7, first two terms) with nothing masked, as retrieval encodes the clips. Nor
does it name a learning rate: ours is the pre-training's (docs/log.md, 10). The loop is the one of loop.py. Reads a
checkpoint; the result is read by retrieve/.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.config import Config, ModelConfig, Pair
from vlsa.config.overrides import names_of, nearest, override
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.vlsa import VLSA
from vlsa.pretrain.checkpoint import load_model, load_weights, model_file
from vlsa.pretrain.loop import Initialise
from vlsa.pretrain.sharded_files import all_parts, damaged

PAIRS: dict[str, Pair] = {"text-video": "video-text", "text-audio": "audio-text", "audio-video": "audio-video"}
"""What is matched, as retrieval calls it, and the pair of the objective."""
NUM_EPOCHS = 20
BATCH_SIZE = 256
SMALLEST_BATCH = 2
WARMUP_SHARE = 0.1


def pairs_of(names: list[str]) -> tuple[Pair, ...]:
    """The objective's pairs of retrieval's names, in either order. Raises ConfigError for an unknown one."""
    either = PAIRS | {"-".join(reversed(name.split("-"))): pair for name, pair in PAIRS.items()}
    for name in names:
        if name not in either:
            raise ConfigError(f"--pair {name}: no such pair of modalities. {nearest(name, PAIRS)}")
    return tuple(dict.fromkeys(either[name] for name in names))


def finetune_config(
    pretrained: Config,
    num_clips: int,
    pairs: tuple[Pair, ...],
    *,
    num_epochs: int = NUM_EPOCHS,
    batch_size: int = BATCH_SIZE,
) -> Config:
    """Settings of a fine-tuning on `num_clips` clips. Raises ConfigError for fewer than a batch, or than a pair."""
    _require_batch(batch_size)
    _require_heads(pretrained.model, pairs)
    if num_clips < batch_size:
        smaller = f"Add --batch-size {num_clips}, or clips." if num_clips >= SMALLEST_BATCH else "Add clips."
        raise ConfigError(
            f"finetune: {num_clips} clips are fewer than one batch of {batch_size}; a step needs a whole batch. "
            f"{smaller}"
        )
    if num_epochs < 1:
        raise ConfigError(f"finetune: {num_epochs} epochs are too few; nothing would be learned. Ask for at least 1.")
    steps_per_epoch = num_clips // batch_size
    train = replace(
        pretrained.train,
        batch_size=batch_size,
        num_steps=num_epochs * steps_per_epoch,
        warmup_steps=round(WARMUP_SHARE * num_epochs * steps_per_epoch),
        checkpoint_every_steps=min(pretrained.train.checkpoint_every_steps, max(steps_per_epoch, 100)),
        evaluate_every_steps=0,
        sound_shift_seconds=0.0,
    )
    model = contrast_only(pretrained.model, pairs)
    return replace(pretrained, recipe=f"{pretrained.recipe}, fine-tuned", model=model, train=train)


def batch_size_of(pretrained: Config, assignments: list[str], batch_size: int) -> int:
    """The batch size that --set asks for, else `batch_size`: the steps of an epoch follow from it."""
    is_asked = "train.batch_size" in names_of(pretrained, assignments)
    return override(pretrained, assignments).train.batch_size if is_asked else batch_size


def changed(config: Config, assignments: list[str]) -> Config:
    """The settings of a fine-tuning with --set. Raises ConfigError for what would leave nothing to learn, or lie."""
    asked, names = override(config, assignments), names_of(config, assignments)
    if "train.num_steps" in names and "train.warmup_steps" not in names:
        asked = replace(asked, train=replace(asked.train, warmup_steps=round(WARMUP_SHARE * asked.train.num_steps)))
    if not asked.model.objective.global_weight:
        raise ConfigError(
            "finetune --set model.objective.global_weight=0: contrast is all that it learns. Leave that out."
        )
    if asked.train.init != config.train.init:
        raise ConfigError(
            "finetune --set train.init: the weights are those of RUN, and the new run has to say so. Leave that out."
        )
    _require_batch(asked.train.batch_size)
    return asked


def require_new_run(pretrained: Path, run_path: Path) -> None:
    """Raises ConfigError for a run that would be fine-tuned in its own folder, CheckpointError where there is none."""
    if (run_path / "checkpoints").resolve() in model_file(pretrained).resolve().parents:
        raise ConfigError(
            f"finetune --out {run_path}: is RUN itself; the new run would take its place. Name another --out."
        )


def _require_batch(batch_size: int) -> None:
    if batch_size < SMALLEST_BATCH:
        raise ConfigError(
            f"finetune: a batch of {batch_size} has no other clip to contrast a clip with; nothing would be learned. "
            f"Ask for at least {SMALLEST_BATCH}, as --batch-size 256."
        )


def _require_heads(model: ModelConfig, pairs: tuple[Pair, ...]) -> None:
    names = {pair: name for name, pair in PAIRS.items()}
    lacking = [names[pair] for pair in pairs if pair not in model.objective.spaces]
    if model.objective.heads == "pair" and lacking:
        own = " ".join(f"--pair {names[pair]}" for pair in model.objective.pairs)
        raise ConfigError(
            f"finetune --pair {lacking[0]}: the model has no head for it, and would start from noise. It was "
            f"pre-trained on {own}; ask for these, or pre-train with the pair among model.objective.pairs."
        )


def contrast_only(model: ModelConfig, pairs: tuple[Pair, ...]) -> ModelConfig:
    """The same encoder without LPMM, masks and matching."""
    objective = replace(
        model.objective,
        local_weight=0.0,
        global_weight=1.0,
        matching_weight=0.0,
        teacher_weight=0.0,
        matching_attention="isolated",
        contrast="softmax" if model.objective.is_triple else model.objective.contrast,
        pairs=pairs,
    )
    return replace(
        model,
        video=replace(model.video, mask_share=0.0),
        audio=replace(model.audio, mask_share=0.0),
        text=replace(model.text, mask_share=0.0),
        objective=objective,
    )


def start_from(run_path: str | Path) -> tuple[str, Tokenizer, Config, Initialise]:
    """Of one checkpoint of a run: its name for `train.init`, tokenizer, settings, and what initialises a model from it.

    Raises CheckpointError.
    """
    path = model_file(run_path)
    pretrained, tokenizer, config = load_model(path)
    name, weights = f"vlsa:{_digest(path)}", pretrained.state_dict()

    def initialise(model: VLSA, _tokenizer: Tokenizer) -> tuple[str, ...]:
        own = model.state_dict()
        missing = sorted(own.keys() - weights.keys())
        if missing:
            raise CheckpointError(
                f"{path}: has no {missing[0]}, which the fine-tuned model needs; it would start from noise. "
                "Leave the settings of the model as they were."
            )
        load_weights(model, {name: weights[name] for name in own}, path)
        return (name,)

    return name, tokenizer, config, initialise


def _digest(path: Path) -> str:
    """Of the bytes of a checkpoint, in all its parts. Raises CheckpointError."""
    digest = hashlib.sha256()
    try:
        for part in all_parts(path):
            with part.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
    except OSError as error:
        raise damaged(path, error) from error
    return digest.hexdigest()[:16]
