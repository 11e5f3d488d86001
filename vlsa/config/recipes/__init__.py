"""Named full settings: sizes (sizes.py) and variants of each (variants.py, objectives.py), as `tiny/gam-only`."""

import typing
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from vlsa.base.errors import ConfigError
from vlsa.config import Config, Sharing
from vlsa.config.overrides import nearest, override
from vlsa.config.recipes import objectives, sizes, variants

SHARINGS: tuple[Sharing, ...] = typing.get_args(Sharing)
RECIPES: dict[str, Callable[[], Config]] = {
    "paper": sizes.paper,
    "huge": sizes.huge,
    "large": sizes.large,
    "base": sizes.base,
    "small": sizes.small,
    "tiny": sizes.tiny,
}
VARIANTS: dict[str, Callable[[Config], Config]] = {
    "paper-objective": variants.paper_objective,
    "lpmm-only": variants.lpmm_only,
    "gam-only": variants.gam_only,
    "vtm": variants.vtm,
    "joint-matching": variants.joint_matching,
    "shifted-sound": variants.shifted_sound,
    "video-text-pair": objectives.video_text_pair,
    "hard-negatives": objectives.hard_negatives,
    "sigmoid": objectives.sigmoid,
    "global-tokens": objectives.global_tokens,
    "learned-temperature": objectives.learned_temperature,
    "partial-decoding": variants.partial_decoding,
    "late-fusion": variants.late_fusion,
    "exact": variants.exact,
    "fast": variants.fast,
    "fastest": variants.fastest,
    "best": objectives.best,
    "heads-modality": objectives.heads_modality,
    "heads-linear": objectives.heads_linear,
    "heads-mlp": objectives.heads_mlp,
    "heads-attention": objectives.heads_attention,
    "heads-sigmoid": objectives.heads_sigmoid,
    "heads-hard": objectives.heads_hard,
    "heads-tokens": objectives.heads_tokens,
    "heads-temperatures": objectives.heads_temperatures,
    "fused-teacher": objectives.fused_teacher,
    "heads-teacher": objectives.heads_teacher,
    "volume": objectives.volume,
    "area": objectives.area,
    "product": objectives.product,
    **{f"encoder-{shared}": partial(variants.shared_encoder, shared=shared) for shared in SHARINGS},
    **{f"decoder-{shared}": partial(variants.shared_decoder, shared=shared) for shared in SHARINGS},
}


def recipe(name: str) -> Config:
    """Settings by name. Raises ConfigError for an unknown one, with the nearest."""
    size, slash, variant = name.partition("/")
    if size not in RECIPES:
        raise ConfigError(f"--recipe {name}: no such recipe. {nearest(size, RECIPES)}")
    if slash and variant not in VARIANTS:
        raise ConfigError(f"--recipe {name}: {size} has no such variant. {nearest(variant, VARIANTS)}")
    config = RECIPES[size]()
    return replace(VARIANTS[variant](config) if slash else config, recipe=name)


def settings_of(recipe_name: str, assignments: Sequence[str] = ()) -> Config:
    """A recipe with `a.b=c` changes. Raises ConfigError, also for a name that is another recipe's."""
    config = override(recipe(recipe_name), list(assignments))
    if config.recipe != recipe_name and config.recipe.partition("/")[0] in RECIPES:
        raise ConfigError(
            f"--set recipe={config.recipe}: the name changes no setting, and a run of {recipe_name} would be called "
            f"what it is not. Give --recipe {config.recipe}."
        )
    return config
