"""Public encoders with random weights, whole folders as their authors publish them: weights, settings, vocabulary.

Written by transformers; none is downloaded. Vocabularies are of bytes, so that any text has tokens.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import public_models as public
import tokenizers
import transformers as hf
from tokenizers import pre_tokenizers

RATE_HZ = 8000
SIDE_PX = 32
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
SIZE = {"image_size": SIDE_PX, "patch_size": 8}


def clip(folder: Path, projection_dim: int = 24, **preprocessing: Any) -> str:
    """CLIP: centre crop of the resized image, texts up to 40 tokens."""
    pieces = [*BYTES, *(f"{byte}</w>" for byte in BYTES), "do", "dog</w>", "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = hf.CLIPTokenizer(vocab=vocabulary, merges=[("d", "o"), ("do", "g</w>")], model_max_length=40)
    special = {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1, "pad_token_id": len(pieces) - 1}
    words = {**TOWER, **special, "vocab_size": len(pieces), "max_position_embeddings": 40}
    model = public.made(
        hf.CLIPModel,
        hf.CLIPConfig(vision_config={**TOWER, **SIZE}, text_config=words, projection_dim=projection_dim),
    )
    sizes = {"size": {"shortest_edge": SIDE_PX}, "crop_size": {"height": SIDE_PX, "width": SIDE_PX}}
    return _written(folder, model, tokenizer, hf.CLIPImageProcessorPil(**(sizes | preprocessing)))


def siglip(folder: Path) -> str:
    """SigLIP: the whole image squeezed into a square, texts padded to 64 tokens of SentencePiece."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_sentencepiece(folder / "spiece.model")
    tokenizer = hf.SiglipTokenizer(str(folder / "spiece.model"))
    words = {**TOWER, "vocab_size": tokenizer.vocab_size, "max_position_embeddings": 64, "projection_size": 32}
    model = public.made(hf.SiglipModel, hf.SiglipConfig(vision_config={**TOWER, **SIZE}, text_config=words))
    processor = hf.SiglipImageProcessorPil(size={"height": SIDE_PX, "width": SIDE_PX})
    return _written(folder, model, tokenizer, processor)


def siglip2(folder: Path) -> str:
    """SigLIP 2 with patches of the image's own aspect."""
    special = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<mask>": 4}
    fallback = {f"<0x{number:02X}>": 5 + number for number in range(256)}
    letters = {letter: 261 + number for number, letter in enumerate("▁abcdefghijklmnopqrstuvwxyz")}
    vocabulary = special | fallback | letters
    tokenizer = hf.Siglip2Tokenizer(vocab=vocabulary, merges=[], model_max_length=64)
    words = {**TOWER, "vocab_size": len(vocabulary), "max_position_embeddings": 64, "projection_size": 32}
    sight = {**TOWER, "patch_size": 8, "num_patches": 16}
    model = public.made(hf.Siglip2Model, hf.Siglip2Config(vision_config=sight, text_config=words))
    return _written(folder, model, tokenizer, hf.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16))


def clap(folder: Path, fusion: bool = False, **features: Any) -> str:
    """CLAP: one second at 8 kHz."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *BYTES]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = hf.RobertaTokenizer(vocab=vocabulary, merges=[], model_max_length=62)
    words = {**TOWER, "vocab_size": len(pieces), "max_position_embeddings": 64}
    sounds = {
        "num_mel_bins": 16, "spec_size": 64, "window_size": 4, "patch_size": 2, "patch_stride": [2, 2],
        "patch_embeds_hidden_size": 16, "hidden_size": 32, "depths": [1, 1], "num_attention_heads": [2, 2],
        "num_hidden_layers": 2, "freq_ratio": 4, "enable_fusion": fusion,
    }  # fmt: skip
    model = public.made(hf.ClapModel, hf.ClapConfig(text_config=words, audio_config=sounds, projection_dim=16))
    settings = {
        "feature_size": 16, "sampling_rate": RATE_HZ, "hop_length": 160, "max_length_s": 1, "fft_window_size": 256,
        "frequency_max": 4000, "truncation": "fusion" if fusion else "rand_trunc",
    }  # fmt: skip
    return _written(folder, model, tokenizer, hf.ClapFeatureExtractor(**(settings | features)))


def pe_av(folder: Path) -> str:
    """PE-AV: frames of 32 px, sound at 8 kHz, settings as its authors' library writes them.

    The tower for frames is that of vlsa, since the library's needs timm; config.json names the library's.
    """
    from vlsa.retrieve.encode.public.pe_tower import PeTowerConfig

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *BYTES]
    tokenizer = _byte_tokenizer(pieces)
    layers = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    heads = {"num_key_value_heads": 2, "head_dim": 16}
    tower = PeTowerConfig(width=64, depth=1, mlp_width=96, patch_px=8, grid=4)
    tower.num_labels = 24
    codec = {"downsampling_ratios": [4, 5, 8], "encoder_hidden_size": 8, "codebook_dim": 12, "hop_length": 160}
    sight = hf.PeVideoEncoderConfig(vision_config=tower, **layers, **heads)
    hearing = hf.PeAudioEncoderConfig(dac_config=codec, **layers, **heads)
    both = hf.PeAudioVideoEncoderConfig(audio_config=hearing, video_config=sight, **layers, **heads)
    words = {**layers, "vocab_size": len(pieces), "max_position_embeddings": 64, "pad_token_id": 0, "cls_token_id": 2}
    words |= {"model_type": "modernbert", "global_attn_every_n_layers": 1, "local_attention": 16, "sep_token_id": 3}
    words |= {"bos_token_id": 2, "eos_token_id": 3}
    config = hf.PeAudioVideoConfig(text_config=words, audio_video_config=both)
    sounds = hf.PeAudioFeatureExtractor(sampling_rate=RATE_HZ, hop_length=160)
    _written(folder, public.made(hf.PeAudioVideoModel, config), tokenizer, sounds)
    _name_timm(folder / "config.json")
    frames = {"size": {"height": SIDE_PX, "width": SIDE_PX}, "resample": 2, "do_normalize": True}
    frames |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "video_processor_type": "PeVideoVideoProcessor"}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(frames), encoding="utf-8")
    return str(folder)


def _byte_tokenizer(pieces: list[str]) -> hf.PreTrainedTokenizerFast:
    backend = tokenizers.Tokenizer(tokenizers.models.BPE({piece: n for n, piece in enumerate(pieces)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return hf.PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **names)


def _name_timm(path: Path) -> None:
    """The tower for frames as the settings of the published checkpoints describe it."""
    config = json.loads(path.read_text(encoding="utf-8"))
    for part in _video_configs(config):
        part["vision_config"] = {
            "model_type": "timm_wrapper", "architecture": "vit_pe_core_tiny_patch16_384", "do_pooling": True,
            "num_classes": 24, "label_names": [f"LABEL_{number}" for number in range(24)],
        }  # fmt: skip
    path.write_text(json.dumps(config), encoding="utf-8")


def _video_configs(values: Any) -> Iterator[dict[str, Any]]:
    if isinstance(values, dict):
        if "vision_config" in values:
            yield values
        for value in list(values.values()):
            yield from _video_configs(value)


def _write_sentencepiece(path: Path) -> None:
    """A unigram model of letters."""
    import sentencepiece

    lines = ["a dog barks twice", "rain on a roof", "the quick brown fox jumps over the lazy dog"] * 20
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=file, vocab_size=60, hard_vocab_limit=False,
            character_coverage=1.0, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
        )  # fmt: skip


def _written(folder: Path, *parts: Any) -> str:
    for part in parts:
        part.save_pretrained(folder)
    return str(folder)
