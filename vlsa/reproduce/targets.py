"""The tables and figures: the runs of each, what is measured, and the results of the paper.

Numbers of the paper: VLSA (arXiv 2405.07202), Table 5 and the comparison with VTM; R@1, R@5, R@10 in percent, text to
video on MSR-VTT and text to audio on SoundDescs, fine-tuned. Of Figures 3 and 4 only the order is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vlsa.base.errors import ConfigError
from vlsa.config.overrides import nearest

Recalls = tuple[float, float, float]
PAPER = "the paper's"
"""Source of an order that is claimed."""
DATA_SETS = {"text_to_video": "msrvtt", "text_to_audio": "sounddescs"}
"""Direction -> data set of the paper's numbers."""
ZERO_SHOT, FINE_TUNED, WRONG_SOUND = "zero-shot", "fine-tuned", "wrong sound"
STAGES = {
    ZERO_SHOT: "as pre-trained (zero-shot)",
    FINE_TUNED: "fine-tuned",
    WRONG_SOUND: "as pre-trained, each clip with the audio of another",
}
"""Stage, or control, after which a run is measured -> its name in a table."""
MAIN = ("text_to_video", "text_to_audio")
SIX = (*MAIN, "audio_to_video", "video_to_text", "audio_to_text", "video_to_audio")


@dataclass(frozen=True)
class Arm:
    """One row of a table: a variant of the recipe, trained with each seed."""

    name: str
    """Folder of its runs."""
    label: str
    variant: str | None
    """A variant of its recipe (vlsa/config/recipes); None = no pre-training."""
    paper: Mapping[str, Recalls] = field(default_factory=dict)
    """Direction -> the paper's R@1, R@5, R@10."""


@dataclass(frozen=True)
class Target:
    """A table or figure."""

    name: str
    title: str
    about: str
    """What is compared, in a sentence."""
    arms: tuple[Arm, ...]
    claim: tuple[str, ...] = ()
    """Arms from best to worst in the paper, without those that it does not order."""
    stages: tuple[str, ...] = (FINE_TUNED, ZERO_SHOT)
    directions: tuple[str, ...] = MAIN
    source: str = PAPER
    """The source of the order in `claim`."""
    must_fall: tuple[tuple[str, str, str], ...] = ()
    """Controls (arm, stage, label) that have to be worse than the first arm after the first stage."""
    specialists: Mapping[str, str] = field(default_factory=dict)
    """Direction -> the arm that is trained for it; each arm that is none of them is compared with it."""
    maps_pairs: bool = False
    """Whether pair maps are drawn too (pair_maps.py)."""


FULL = Arm(
    "full", "LPMM + GAM", "paper-objective", {"text_to_video": (27.1, 57.3, 68.9), "text_to_audio": (33.5, 63.7, 75.1)}
)
GAM = Arm("gam-only", "GAM", "gam-only", {"text_to_video": (25.3, 52.5, 63.1), "text_to_audio": (30.7, 57.8, 69.7)})
LPMM = Arm("lpmm-only", "LPMM", "lpmm-only", {"text_to_video": (22.6, 49.7, 61.2), "text_to_audio": (28.5, 53.6, 66.3)})
NEITHER = Arm("neither", "neither", None, {"text_to_video": (20.1, 47.2, 59.3), "text_to_audio": (23.6, 49.2, 61.5)})
VTM = Arm("vtm", "LPMM + VTM", "vtm", {"text_to_video": (23.5, 50.6, 61.8)})
_SHARINGS = {"video-text": "V+T", "audio-text": "A+T", "audio-video": "A+V", "none": "none"}


def _sharing_arms(part: str) -> tuple[Arm, ...]:
    """The paper's five settings of which modalities share a part; the recipe itself shares it among all three."""
    others = (Arm(f"{part}-{shared}", label, f"{part}-{shared}") for shared, label in _SHARINGS.items())
    return (Arm(FULL.name, "A+V+T", FULL.variant), *others)


def _variants(*names: str) -> tuple[Arm, ...]:
    return tuple(Arm(name, name.replace("-", " "), name) for name in names)


TARGETS = {
    target.name: target
    for target in (
        Target(
            "table5",
            "Table 5: local-patch masked modelling (LPMM) and global audio matching (GAM)",
            "Pre-training with both objectives, with one, and none at all (fine-tuned only).",
            (NEITHER, LPMM, GAM, FULL),
            ("full", "gam-only", "lpmm-only", "neither"),
        ),
        Target(
            "figure3",
            "Figure 3: which modalities share the encoder",
            "All three modalities in one encoder, two in one, or three encoders.",
            _sharing_arms("encoder"),
            ("full", "encoder-none"),
        ),
        Target(
            "figure4",
            "Figure 4: which modalities share the decoder",
            "All three modalities in one decoder, two in one, or three decoders.",
            _sharing_arms("decoder"),
            ("full", "decoder-none"),
        ),
        Target(
            "figure5",
            "Figure 5: global audio matching (GAM) compared with video-text matching (VTM)",
            "The same model with video and text matched to the audio, or to each other.",
            (FULL, VTM),
            ("full", "vtm"),
            directions=(*MAIN, "audio_to_video"),
            maps_pairs=True,
        ),
        Target(
            "controls",
            "Controls that have to fail",
            "Audio of another clip at evaluation, audio out of step in training, and globals from the joint pass.",
            (FULL, *_variants("shifted-sound", "joint-matching")),
            stages=(ZERO_SHOT, WRONG_SOUND),
            directions=("text_to_video", "text_to_audio", "audio_to_video"),
            must_fall=(
                ("full", WRONG_SOUND, "with the audio of another clip"),
                ("shifted-sound", ZERO_SHOT, "trained with audio out of step"),
                ("joint-matching", ZERO_SHOT, "trained with joint matching"),
            ),
        ),
        Target(
            "options",
            "Options beyond the paper, at equal steps",
            "Each option alone, and the best together, compared with the paper's objective.",
            (
                FULL,
                *_variants(
                    "video-text-pair", "hard-negatives", "sigmoid", "global-tokens", "learned-temperature", "best"
                ),
            ),
            ("best", "full"),
            stages=(ZERO_SHOT,),
            directions=(*MAIN, "audio_to_video"),
            source="the expected",
        ),
        Target(
            "beyond",
            "Beyond the paper: the options that help, together, compared with the paper's objective",
            "LPMM and three pairs, each matched in a space of its own, at equal steps; and no pre-training.",
            (NEITHER, FULL, *_variants("best")),
            ("best", "full"),
            directions=(*MAIN, "audio_to_video"),
            source="the expected",
        ),
        Target(
            "objectives",
            "Objectives side by side, at equal steps",
            "The paper's objective; the specialist for video and text; three pairs in one space, and with heads.",
            (
                FULL,
                VTM,
                *_variants("video-text-pair", "heads-modality", "heads-linear", "heads-mlp", "heads-attention", "best"),
                *_variants("heads-sigmoid", "heads-hard", "heads-tokens", "heads-temperatures"),
                *_variants("fused-teacher", "heads-teacher", "volume", "area", "product"),
            ),
            stages=(ZERO_SHOT,),
            directions=SIX,
        ),
        Target(
            "finalists",
            "The best objectives with several seeds, at equal steps",
            "The paper's objective, the specialist for video and text, and the six best of the table `objectives`.",
            (
                FULL,
                VTM,
                *_variants("best", "heads-attention", "heads-hard", "heads-temperatures", "heads-linear"),
                *_variants("fused-teacher", "heads-teacher"),
            ),
            ("best", "full"),
            stages=(ZERO_SHOT,),
            directions=SIX,
            source="the expected",
        ),
        Target(
            "specialists",
            "One objective for all directions and the specialist of each, at equal steps",
            "The paper's objective, which matches audio with video and with text; VTM, which matches video with text; "
            "and two objectives that match all three pairs.",
            (FULL, VTM, *_variants("best", "heads-teacher")),
            stages=(ZERO_SHOT,),
            directions=SIX,
            specialists={name: "vtm" if name in ("text_to_video", "video_to_text") else "full" for name in SIX},
        ),
    )
}
NAMES = (*TARGETS, "table7")


def target(name: str) -> Target:
    """By name. Raises ConfigError for an unknown one, with the nearest."""
    if name not in TARGETS:
        raise ConfigError(f"reproduce {name}: no such table or figure. {nearest(name, NAMES)}")
    return TARGETS[name]
