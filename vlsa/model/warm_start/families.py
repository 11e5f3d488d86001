"""Key tables: where each public family keeps what VLSA can take, in the format of Hugging Face transformers.

ViT (arXiv 2010.11929), MAE (2111.06377), CLIP (2103.00020), VideoMAE (2203.12602), BERT (1810.04805), AST
(2104.01778). Reads files.py; feeds plan.py. The names within blocks are in pretrained_weights.py.
"""

from dataclasses import replace

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.model.warm_start.files import Checkpoint, brief
from vlsa.model.warm_start.pretrained_weights import Family, Offer, Weight


def _layer(part: str, name: str, axes: str = "D") -> dict[str, Weight]:
    return {f"{part}.weight": ((f"{name}.weight",), axes), f"{part}.bias": ((f"{name}.bias",), axes[0])}


NO_CLASS = ("class token", "the global of a modality is the mean of its tokens")
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "image_size": 224,
    "patch_size": 16,
    "qkv_bias": True,
}
CLIP_TEXT_SHAPE = {"hidden_size": 512, "num_attention_heads": 8, "intermediate_size": 2048}
PATCHES = "embeddings.patch_embeddings.projection"
POSITIONS = {"positions": (("embeddings.position_embeddings",), "1nD")}
CLIP_POSITIONS = {"positions": (("embeddings.position_embedding.weight",), "nD")}

VIT = Family(
    modality="video",
    weights=_layer("patches", PATCHES, "D3pp") | POSITIONS | _layer("norm", "layernorm"),
    settings=BASE,
    prefix="vit.",
    num_special=1,
    pixels=((0.5,) * 3, (0.5,) * 3),
    left_out=(NO_CLASS,),
)
MAE = replace(VIT, pixels=IMAGENET, left_out=(NO_CLASS, ("its decoder", "VLSA's has other inputs")))
VIDEOMAE = Family(
    modality="video",
    weights=_layer("patches", PATCHES, "D3tpp") | _layer("norm", "layernorm"),
    settings=BASE | {"num_frames": 16, "tubelet_size": 2},
    prefix="videomae.",
    may_lack=("norm.weight", "norm.bias", "key.bias"),
    pixels=IMAGENET,
    merge_note="tubelets summed to single frames: the same output for a still video",
    left_out=(("its decoder or classifier", "VLSA's has other inputs"),),
)
AST = Family(
    modality="audio",
    weights=_layer("patches", PATCHES, "D1pp") | POSITIONS | _layer("norm", "layernorm"),
    settings=BASE | {"num_mel_bins": 128, "max_length": 1024, "frequency_stride": 10, "time_stride": 10},
    prefix="audio_spectrogram_transformer.",
    num_special=2,
    factor=0.5,  # its spectrograms have a deviation of 0.5 (it divides by two of them), ours of 1
    kernel_note="halved: its spectrograms have half the deviation of ours",
    left_out=(("class and distillation token", NO_CLASS[1]),),
)
CLIP_VISION = Family(
    modality="video",
    weights=CLIP_POSITIONS
    | {"patches.weight": (("embeddings.patch_embedding.weight",), "D3pp")}
    | _layer("norm", "post_layernorm")
    | _layer("input_norm", "pre_layrnorm"),
    settings=BASE | {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "patch_size": 32},
    prefix="vision_model.",
    num_special=1,
    pixels=((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    norm_note="there it norms the class token alone",
    left_out=(NO_CLASS, ("projections", "globals are compared without one")),
)
CLIP_TEXT = Family(
    modality="text",
    weights=CLIP_POSITIONS | _layer("norm", "final_layer_norm"),
    settings=CLIP_VISION.settings | CLIP_TEXT_SHAPE | {"max_position_embeddings": 77},
    prefix="text_model.",
    block_note="trained to attend to earlier tokens alone; here they attend to all",
    left_out=(("its token embeddings", "CLIP's vocabulary is not WordPiece's"),),
)
BERT = Family(
    modality="text",
    weights={
        "tokens": (("embeddings.word_embeddings.weight",), "VD"),
        "positions": (("embeddings.position_embeddings.weight",), "nD"),
        "types": (("embeddings.token_type_embeddings.weight",), "TD"),
        "input_norm.weight": (("embeddings.LayerNorm.weight", "embeddings.LayerNorm.gamma"), "D"),
        "input_norm.bias": (("embeddings.LayerNorm.bias", "embeddings.LayerNorm.beta"), "D"),
    },
    settings=BASE | {"vocab_size": 30_522, "max_position_embeddings": 512, "type_vocab_size": 2},
    prefix="bert.",
    has_blocks=False,
    left_out=(("its blocks", "they norm after each sum (post-norm), the encoder before (pre-norm)"),),
)
FAMILIES: dict[str, tuple[Family, ...]] = {
    "vit": (VIT,),
    "vit_mae": (MAE,),
    "clip": (replace(CLIP_VISION, section="vision_config"), replace(CLIP_TEXT, section="text_config", optional=True)),
    "clip_vision_model": (CLIP_VISION,),
    "clip_text_model": (CLIP_TEXT,),
    "videomae": (VIDEOMAE,),
    "bert": (BERT,),
    "audio-spectrogram-transformer": (AST,),
}
"""By the `model_type` of config.json."""


def offers(checkpoint: Checkpoint) -> list[Offer]:
    """What a checkpoint has to give; with a modality asked for, for that one alone.

    Raises ConfigError for a family that is not known, or that has nothing for the modality; CheckpointError for weights
    that are missing, or of another shape than config.json says.
    """
    family, asked = checkpoint.family, checkpoint.modality
    if family not in FAMILIES:
        raise ConfigError(
            f"{checkpoint.where}: model_type {brief(family or 'missing')} in its config.json; where its weights belong "
            f"is not known. Known: {', '.join(FAMILIES)}."
        )
    halves = FAMILIES[family]
    if asked:
        frames = [half for half in halves if half.modality == "video" and asked == "audio"]
        halves = [replace(half, optional=False) for half in halves if half.modality == asked] or frames
    if not halves:
        raise ConfigError(
            f"{checkpoint.where}: a checkpoint of the family {family} has nothing for {asked}. Leave {asked}= out."
        )
    return [_offer(checkpoint, half, asked or half.modality) for half in halves]


def _offer(checkpoint: Checkpoint, family: Family, modality: str) -> Offer:
    settings = checkpoint.settings.get(family.section) or {} if family.section else checkpoint.settings
    if not isinstance(settings, dict):
        raise CheckpointError(
            f"{checkpoint.where}: {family.section}={brief(settings)} in its config.json; the settings of that half are "
            "needed there. Correct the file."
        )
    return Offer(checkpoint, family, modality, settings).find()
