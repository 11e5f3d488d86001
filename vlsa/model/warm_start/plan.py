"""Which checkpoint gives what: the first that offers a thing gives it; what does not fit is refused in one line.

Reads pretrained_weights.py and the settings of the encoder; feeds apply.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from vlsa.base.errors import ConfigError
from vlsa.config import MODALITIES, EncoderConfig
from vlsa.model.warm_start.pretrained_weights import Offer


@dataclass(frozen=True)
class Plan:
    """What is taken of which offer."""

    blocks: dict[nn.Module, Offer] = field(default_factory=dict)
    """By encoder."""
    tokens: dict[str, Offer] = field(default_factory=dict)
    """Patches or token embeddings, positions: by modality."""
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    """(What, from where, why)."""

    def leave_out(self, offer: Offer, *parts: tuple[str, str]) -> None:
        """Note what of an offer is not taken, and why."""
        self.left_out.extend((f"{offer.modality}: {what}", offer.origin, why) for what, why in parts)


def plan(offers: Sequence[Offer], towers: Mapping[str, nn.Module], encoder: EncoderConfig) -> Plan:
    """Each encoder and each modality takes from the first that offers; raises ConfigError for what cannot fit.

    `towers` are the encoders of the modalities; two modalities that share weights have the same one. Audio that shares
    the encoder of an image model, and has no source of its own, takes that model's patches as a grey image would.
    """
    made = Plan()
    for offer in offers:
        _add(made, offer, towers[offer.modality], encoder)
    giver = made.blocks.get(towers["audio"])
    if giver and giver.modality == "video":
        made.tokens.setdefault("audio", replace(giver, modality="audio"))
    _check(made, encoder)
    return made


def _add(made: Plan, offer: Offer, tower: nn.Module, encoder: EncoderConfig) -> None:
    modality, family = offer.modality, offer.family
    giver, earlier = made.blocks.get(tower), made.tokens.get(modality)
    gives_blocks = family.has_blocks and giver is None
    misfits = _misfits(offer.needs | _norms([offer], encoder), encoder)
    if family.optional and gives_blocks and misfits:
        made.leave_out(offer, ("all of it", f"does not fit: {', '.join(misfits)}"))
        return
    gives_tokens = earlier is None and (gives_blocks or offer.has("patches.weight") or offer.has("tokens"))
    if gives_blocks:
        made.blocks[tower] = offer
    if gives_tokens:
        made.tokens[modality] = offer
    if giver and family.has_blocks:
        what = "its blocks" if gives_tokens else "all of it"
        made.leave_out(offer, (what, f"the encoder of {modality} has the blocks of {giver.origin}"))
    elif earlier:
        what = "all but its blocks" if gives_blocks else "all of it"
        made.leave_out(offer, (what, f"{earlier.origin} came first"))
    if gives_blocks or gives_tokens:
        made.leave_out(offer, *family.left_out)


def _norms(givers: Iterable[Offer], encoder: EncoderConfig) -> dict[str, Any]:
    """input_norms as blocks need it: a modality's tokens are normed if and only if they were."""
    norms = set(encoder.input_norms)
    for offer in givers:
        norms = norms | {offer.modality} if offer.has("input_norm.weight") else norms - {offer.modality}
    return {"input_norms": tuple(name for name in MODALITIES if name in norms)}


def _misfits(needs: Mapping[str, Any], encoder: EncoderConfig) -> dict[str, str]:
    """What of the encoder is not as needed, as "width 32, here 48", with the setting that would be: "width=32"."""
    ours = {name: getattr(encoder, name) for name in needs}
    ours["input_norms"] = tuple(name for name in MODALITIES if name in encoder.input_norms)
    return {
        f"{name} {_text(value)}, here {_text(ours[name])}": f"{name}={_text(value)}"
        for name, value in needs.items()
        if ours[name] != value
    }


def _check(made: Plan, encoder: EncoderConfig) -> None:
    """Raises ConfigError for sources that contradict each other, or do not fit the encoder."""
    needs: dict[str, tuple[Any, Offer]] = {}
    takers = [(offer, offer.needs) for offer in made.blocks.values()]
    takers += [(offer, {"width": offer.needs["width"]}) for offer in made.tokens.values()]
    for offer, wanted in takers:
        for name, value in wanted.items():
            earlier, other = needs.setdefault(name, (value, offer))
            if earlier != value:
                raise ConfigError(
                    f"--init: {other.origin} needs encoder.{name}={_text(earlier)}, {offer.origin} "
                    f"{_text(value)}; one set of settings cannot serve both. Leave one of them out."
                )
    values = {name: value for name, (value, _) in needs.items()} | _norms(made.blocks.values(), encoder)
    misfits = _misfits(values, encoder)
    if not misfits:
        return
    giver = takers[0][0]
    settings = list(misfits.values())
    if "num_heads" not in needs and giver.needs["width"] % encoder.num_heads:
        settings.append(f"num_heads={giver.needs['num_heads']}")
    settings += ["positions=learned"] if encoder.positions == "fixed" else []
    raise ConfigError(
        f"--init {', '.join(dict.fromkeys(offer.origin for offer, _ in takers))}: does not fit the encoder "
        f"({'; '.join(misfits)}), which cannot hold its weights. "
        f"Add {' '.join(f'--set model.encoder.{setting}' for setting in settings)}"
    )


def _text(value: Any) -> str:
    return (",".join(value) or "[]") if isinstance(value, tuple) else str(value)
