"""Who gives what: the first source that offers a thing gives it; what does not fit is refused in one line.

Reads pretrained_weights.py and the settings of the encoder; feeds apply.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from vlsa.base.errors import ConfigError
from vlsa.config import MODALITIES, EncoderConfig
from vlsa.model.warm_start.pretrained_weights import Offer

FIXED = "encoder.positions is fixed; --set model.encoder.positions=learned takes them"


@dataclass(frozen=True)
class Use:
    """What is taken of an offer."""

    offer: Offer
    blocks: bool
    """Its blocks, for the encoder of its modality."""
    tokens: bool
    """What makes tokens of its modality: patches, positions, words."""
    refused: str = ""
    """Why something that it offers is not taken."""


def plan(offers: Sequence[Offer], towers: Mapping[str, nn.Module], encoder: EncoderConfig) -> list[Use]:
    """Each encoder and each modality takes from the first that offers; raises ConfigError for what cannot fit.

    `towers` are the encoders of the modalities; two modalities that share weights have the same one. Sound that shares
    the encoder of a picture model, and has no source of its own, takes that model's patches as a grey picture would.
    """
    uses: list[Use] = []
    givers: dict[int, Offer] = {}
    for offer in offers:
        uses.append(_use(offer, uses, givers, towers, encoder))
        if uses[-1].blocks:
            givers[id(towers[offer.modality])] = offer
    giver = givers.get(id(towers["audio"]))
    if giver and giver.modality == "video" and not any(use.tokens and use.offer.modality == "audio" for use in uses):
        uses.append(Use(replace(giver.as_audio(), left_out=()), blocks=False, tokens=True))
    _check(uses, encoder)
    return uses


def _use(
    offer: Offer, uses: list[Use], givers: Mapping[int, Offer], towers: Mapping[str, nn.Module], encoder: EncoderConfig
) -> Use:
    earlier = next((use.offer for use in uses if use.tokens and use.offer.modality == offer.modality), None)
    giver = givers.get(id(towers[offer.modality]))
    blocks, tokens = offer.block is not None and giver is None, earlier is None
    refused = f"{earlier.origin} came first" if earlier else ""
    if offer.block and giver:
        refused = f"the encoder of {offer.modality} has the blocks of {giver.origin}"
    misfits = _misfits(Use(offer, blocks, tokens), encoder)
    if offer.optional and blocks and misfits:
        return Use(offer, blocks=False, tokens=False, refused=f"does not fit: {', '.join(misfits)}")
    if offer.whole_only and not blocks:
        tokens = False
    return Use(offer, blocks, tokens, refused)


def _wanted(use: Use, encoder: EncoderConfig) -> dict[str, Any]:
    """Fields of the encoder that a use needs, and their values."""
    if not use.blocks:
        return {"width": use.offer.needs["width"]} if use.tokens else {}
    return use.offer.needs


def _norms(uses: Sequence[Use], encoder: EncoderConfig) -> tuple[str, ...]:
    """encoder.input_norms as the blocks need it: a modality's tokens are normed if and only if they were."""
    norms = set(encoder.input_norms)
    for use in uses:
        if use.blocks:
            norms = norms | {use.offer.modality} if use.offer.input_norm else norms - {use.offer.modality}
    return tuple(name for name in MODALITIES if name in norms)


def _misfits(use: Use, encoder: EncoderConfig) -> list[str]:
    """What of the encoder is otherwise than a use needs, in words."""
    misfits = [
        f"{name} {_text(value)}, here {_text(getattr(encoder, name))}"
        for name, value in _wanted(use, encoder).items()
        if getattr(encoder, name) != value
    ]
    norms = _norms([use], encoder)
    if set(norms) != set(encoder.input_norms):
        misfits.append(f"input_norms {_listed(norms)}, here {_listed(encoder.input_norms)}")
    return misfits


def _check(uses: Sequence[Use], encoder: EncoderConfig) -> None:
    """Raises ConfigError for sources that contradict each other, or do not fit the encoder."""
    wanted: dict[str, tuple[Any, Offer]] = {}
    for use in uses:
        for name, value in _wanted(use, encoder).items():
            earlier, offer = wanted.setdefault(name, (value, use.offer))
            if earlier != value:
                raise ConfigError(
                    f"--init: {offer.origin} needs encoder.{name}={_text(earlier)}, {use.offer.origin} "
                    f"{_text(value)}; one set of settings cannot serve both. Leave one of them out."
                )
    misfit = next(((use, wrong) for use in uses if (wrong := _misfits(use, encoder))), None)
    if misfit is None:
        return
    use, wrong = misfit
    settings = {name: _text(value) for name, (value, _) in wanted.items() if getattr(encoder, name) != value}
    if use.offer.needs["width"] % encoder.num_heads:
        settings.setdefault("num_heads", _text(use.offer.needs["num_heads"]))
    norms = _norms(uses, encoder)
    if set(norms) != set(encoder.input_norms):
        settings["input_norms"] = _listed(norms)
    if encoder.positions == "fixed":
        settings["positions"] = "learned"
    line = " ".join(f"--set model.encoder.{name}={value}" for name, value in settings.items())
    raise ConfigError(
        f"--init {use.offer.origin}: it does not fit the encoder ({'; '.join(wrong)}), which cannot hold its weights. "
        f"Add {line}"
    )


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(names: Sequence[str]) -> str:
    return ",".join(names) or "[]"
