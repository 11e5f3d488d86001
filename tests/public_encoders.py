"""Public encoders with random weights, whole folders as their authors publish them: weights, settings, vocabulary.

Written by transformers; none is downloaded. Vocabularies are of bytes, so that any text has tokens.
"""

from pathlib import Path
from typing import Any

import public_models as public
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
