"""Checkpoints of public families with random weights, written by transformers into a folder; none is downloaded."""

import os
from pathlib import Path
from typing import Any

import torch

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it names each absent image library at import
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import transformers as hf

WIDTH, NUM_HEADS = 32, 4
SHAPE = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": NUM_HEADS, "intermediate_size": 128}
PICTURE = SHAPE | {"image_size": 16, "patch_size": 4}
WORDS = SHAPE | {"vocab_size": 99, "max_position_embeddings": 20}
SOUND = SHAPE | {"num_mel_bins": 32, "max_length": 64, "patch_size": 8, "frequency_stride": 8, "time_stride": 8}


def vit(**changes: Any) -> hf.ViTModel:
    return made(hf.ViTModel, hf.ViTConfig(**(PICTURE | changes)))


def mae(**changes: Any) -> hf.ViTMAEForPreTraining:
    decoder = {
        "decoder_hidden_size": 16,
        "decoder_num_hidden_layers": 1,
        "decoder_num_attention_heads": 2,
        "decoder_intermediate_size": 32,
    }
    return made(hf.ViTMAEForPreTraining, hf.ViTMAEConfig(**(PICTURE | decoder | {"mask_ratio": 0.0} | changes)))


def clip(text: dict[str, Any] | None = None, **changes: Any) -> hf.CLIPModel:
    config = hf.CLIPConfig(vision_config=PICTURE | changes, text_config=WORDS | (text or {}), projection_dim=8)
    return made(hf.CLIPModel, config)


def clip_vision(**changes: Any) -> hf.CLIPVisionModel:
    return made(hf.CLIPVisionModel, hf.CLIPVisionConfig(**(PICTURE | changes)))


def clip_text(**changes: Any) -> hf.CLIPTextModel:
    return made(hf.CLIPTextModel, hf.CLIPTextConfig(**(WORDS | changes)))


def videomae(**changes: Any) -> hf.VideoMAEModel:
    return made(hf.VideoMAEModel, hf.VideoMAEConfig(**(PICTURE | {"num_frames": 4, "tubelet_size": 2} | changes)))


def bert(**changes: Any) -> hf.BertModel:
    return made(hf.BertModel, hf.BertConfig(**(WORDS | changes)))


def ast(**changes: Any) -> hf.ASTModel:
    return made(hf.ASTModel, hf.ASTConfig(**(SOUND | changes)))


def written(model: hf.PreTrainedModel, folder: Path, **options: Any) -> str:
    """Save a model as its users do; the folder's name."""
    model.save_pretrained(folder, **options)
    return str(folder)


def made(kind: type, config: hf.PretrainedConfig) -> Any:
    """A model with random weights, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind(config).eval()
        for parameter in model.parameters():  # no weight may be special: neither a bias of 0 nor a norm of 1
            parameter.data += 0.1 * torch.randn_like(parameter)
    return model
