"""Settings that were asked for and change nothing, because another setting leaves out what they are about.

They are not refused, since a run that was saved with them has to stay readable. Used by pretrain/ and the command line.
"""

from collections.abc import Iterable, Iterator

from vlsa.config.model import ObjectiveConfig
from vlsa.config.train import Config

OF_MATCHING = ("matching_features", "hard_negatives")
OF_CONTRAST = ("contrast", "temperature", "learn_temperature", "teacher_weight", "matching_attention", "pairs")
PAIR_WEIGHTS = {
    "audio_video_weight": "audio-video",
    "audio_text_weight": "audio-text",
    "video_text_weight": "video-text",
}
OBJECTIVE, DECODER, FUSION_LAYERS = "model.objective.", "model.decoder.", "model.encoder.fusion_layers"


def idle_settings(config: Config, asked: Iterable[str]) -> dict[str, str]:
    """Of the settings that were asked for, by whole name, those that change nothing, each with the setting at fault."""
    reasons = dict(_idle(config))
    return {name: reason for name in asked for start, reason in reasons.items() if name == start or _is_in(name, start)}


def _is_in(name: str, group: str) -> bool:
    return group.endswith(".") and name.startswith(group)


def _idle(config: Config) -> Iterator[tuple[str, str]]:
    """Names, or starts of names, of all settings that change nothing, with the setting at fault."""
    objective = config.model.objective
    yield from ((OBJECTIVE + name, reason) for name, reason in _of_objective(objective))
    if not objective.local_weight:
        yield from ((name, f"{OBJECTIVE}local_weight=0") for name in (DECODER, f"{OBJECTIVE}normalise_targets"))
        if objective.matching_attention == "isolated":  # there is no joint pass
            yield FUSION_LAYERS, f"{OBJECTIVE}local_weight=0"
    if config.model.encoder.shared == "none":  # each modality attends to itself in either pass
        of_joint_pass = (FUSION_LAYERS, f"{OBJECTIVE}matching_attention")
        yield from ((name, "model.encoder.shared=none") for name in of_joint_pass)
    if not config.train.augment:
        yield from ((f"train.{name}", "train.augment=false") for name in ("crop_area", "crop_stretch"))


def _of_objective(objective: ObjectiveConfig) -> Iterator[tuple[str, str]]:
    """The same of the objective, without its prefix; the last reason counts."""
    if objective.contrast != "sigmoid":
        yield "sigmoid_bias", f"{OBJECTIVE}contrast={objective.contrast}"
    if not objective.matching_weight:
        yield from ((name, f"{OBJECTIVE}matching_weight=0") for name in OF_MATCHING)
    for weight, pair in PAIR_WEIGHTS.items():
        if pair not in objective.pairs:
            yield weight, f"{OBJECTIVE}pairs={','.join(objective.pairs)}"
        elif objective.is_triple and not objective.matching_weight:
            yield weight, f"{OBJECTIVE}contrast={objective.contrast}, without matching"
    if objective.is_triple and not (objective.matching_weight or objective.teacher_weight):
        yield "pairs", f"{OBJECTIVE}contrast={objective.contrast}, without matching"
    if not objective.global_weight:
        names = (*OF_CONTRAST, *OF_MATCHING, *PAIR_WEIGHTS, "matching_weight", "sigmoid_bias", "pair_temperatures")
        yield from ((name, f"{OBJECTIVE}global_weight=0") for name in names)
