"""WordPiece: text to word pieces and back.

Paper: VLSA (arXiv 2405.07202), section 4.1: BERT's uncased WordPiece. A thin face on Hugging Face `tokenizers`; a
checkpoint carries its tokenizer.
Axes: L word pieces of a text.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.base.kept import Kept
from vlsa.config import Config

BERT_NAME, BERT_SIZE = "bert-base-uncased", 30_522
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

KEPT_TEXTS, KEPT_CHARACTERS = 16_384, 500
"""Texts, and letters of each, whose tokens are kept: at most some 20 MB."""
PARTS = {
    "model": ("WordPiece",),
    "normalizer": ("BertNormalizer",),
    "pre_tokenizer": ("BertPreTokenizer",),
    "post_processor": ("TemplateProcessing", "BertProcessing"),
    "decoder": ("WordPiece",),
}
"""The parts of a tokenizer in a checkpoint, and what each may be."""


@dataclass(frozen=True)
class TextCoverage:
    """What a model can make of a text: its words that fit into the token limit, known or not.

    Punctuation and single letters of an alphabet are no words here: a learned vocabulary has all letters.
    """

    known: tuple[str, ...]
    unknown: tuple[str, ...]
    num_words: int
    """Words of the whole text, those beyond the limit included."""

    @property
    def num_used(self) -> int:
        """Words that fit into the token limit."""
        return len(self.known) + len(self.unknown)


class Tokenizer:
    """Texts to fixed-length word pieces: [CLS] words [SEP], then padding."""

    def __init__(self, backend: Backend) -> None:
        missing = [token for token in SPECIAL_TOKENS if backend.token_to_id(token) is None]
        if missing:
            raise ConfigError(
                f"vocabulary: {', '.join(missing)} not in it; masking and padding need these. Use a BERT vocabulary."
            )
        largest_id, size = max(backend.get_vocab().values()), backend.get_vocab_size()
        if largest_id >= size:
            raise ConfigError(
                f"vocabulary: {size} different tokens with ids up to {largest_id}; an id beyond their number has no "
                "embedding. Remove tokens that occur twice, and empty lines."
            )
        self.backend = backend
        self._kept: Kept[tuple[str, int], tuple[int, ...]] = Kept(KEPT_TEXTS)
        self.padding_id, _, self.start_id, self.stop_id, self.mask_id = map(backend.token_to_id, SPECIAL_TOKENS)

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int) -> "Tokenizer":
        """Learn a WordPiece vocabulary of about this size, the same each time; for texts that need no public one."""
        ordered = sorted(texts)
        backend = _bert_like(models.WordPiece(unk_token="[UNK]"))  # type: ignore[call-arg]
        # The trainer would number the letters inside words at random, and break ties by these numbers: they come first.
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocabulary_size,
            special_tokens=[*SPECIAL_TOKENS, *_inner_letters(backend, ordered)],
            show_progress=False,
        )
        backend.train_from_iterator([ordered], trainer)
        return cls(_with_vocabulary(backend.get_vocab(with_added_tokens=False)))

    @classmethod
    def from_vocabulary(cls, path: str | Path) -> "Tokenizer":
        """From a published `vocab.txt` (one piece a line, the line number is the id). Raises ConfigError."""
        try:
            # Not splitlines: some pieces hold a line separator of Unicode, and all ids after them would shift.
            pieces = Path(path).read_text(encoding="utf-8").removesuffix("\n").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path}: not a readable vocabulary ({error}); texts need one. Give a vocab.txt."
            ) from None
        return cls(_with_vocabulary({piece: number for number, piece in enumerate(pieces)}))

    @classmethod
    def of_size(cls, vocabulary_size: int) -> "Tokenizer":
        """Made words of a given number, for measuring a model where no text is at hand."""
        words = [*SPECIAL_TOKENS, *(f"word{number}" for number in range(vocabulary_size - len(SPECIAL_TOKENS)))]
        return cls(_with_vocabulary({word: number for number, word in enumerate(words)}))

    @classmethod
    def from_json(cls, text: str, where: str) -> "Tokenizer":
        """From what `to_json` wrote. Raises CheckpointError."""
        try:
            _require_bert_like(json.loads(text))
            tokenizer = cls(Backend.from_str(text))
            ends = tokenizer.backend.encode("[MASK]").ids
            if ends != [tokenizer.start_id, tokenizer.mask_id, tokenizer.stop_id]:
                raise ValueError(f"it encodes [MASK] as {len(ends)} ids, not as [CLS] [MASK] [SEP]")
            return tokenizer
        except Exception as error:  # tokenizers raises plain Exception for malformed JSON
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"{where}: not a tokenizer ({reason}); the checkpoint is damaged, and texts would be "
                "misread. Copy it again."
            ) from error

    def to_json(self) -> str:
        """Everything, as one JSON text."""
        return self.backend.to_str()

    @property
    def vocabulary_size(self) -> int:
        return self.backend.get_vocab_size()

    def encode(self, text: str, num_tokens: int) -> tuple[Int[Tensor, " L"], Bool[Tensor, " L"]]:
        """Ids and padding of one text, cut to `num_tokens` with its [SEP] kept."""
        ids = self.ids(text, num_tokens)
        words = torch.full((num_tokens,), self.padding_id, dtype=torch.int64)
        words[: len(ids)] = torch.tensor(ids)
        return words, torch.arange(num_tokens) >= len(ids)

    def ids(self, text: str, num_tokens: int) -> tuple[int, ...]:
        """Ids of one text, cut to `num_tokens` with its [SEP] kept; those of captions are at hand the next time."""
        if len(text) > KEPT_CHARACTERS:
            return self._ids((text, num_tokens))
        return self._kept.get((text, num_tokens), self._ids)

    def _ids(self, asked: tuple[str, int]) -> tuple[int, ...]:
        text, num_tokens = asked
        ids = self.backend.encode(text).ids
        return tuple(ids) if len(ids) <= num_tokens else (*ids[: num_tokens - 1], self.stop_id)

    def coverage(self, text: str, num_tokens: int) -> TextCoverage:
        """Which words of a text, cut to `num_tokens`, are known; see `_is_known` for the rule."""
        encoded = self.backend.encode(text, add_special_tokens=False)
        words: dict[int, list[int]] = {}
        for place, word in enumerate(encoded.word_ids):
            words.setdefault(place - len(encoded) if word is None else word, []).append(place)
        known: list[str] = []
        unknown: list[str] = []
        num_words = 0
        for places in words.values():
            written = text[encoded.offsets[places[0]][0] : encoded.offsets[places[-1]][1]]
            if not _is_word(written):
                continue
            num_words += 1
            if places[-1] < num_tokens - 2:  # [CLS] and [SEP]
                (known if _is_known([encoded.tokens[place] for place in places]) else unknown).append(written)
        return TextCoverage(tuple(known), tuple(unknown), num_words)

    def num_cut(self, texts: Iterable[str], num_tokens: int) -> int:
        """How many texts are longer than `num_tokens` tokens, and so lose their end."""
        return sum(len(encoded) > num_tokens for encoded in self.backend.encode_batch(list(texts)))

    def decode(self, ids: list[int]) -> str:
        """Words again, without the special pieces."""
        return self.backend.decode(ids)


def _is_word(written: str) -> bool:
    is_letter = len(written) == 1 and written.lower() != written.upper()
    return not is_letter and any(character.isalnum() for character in written)


def _is_known(pieces: list[str]) -> bool:
    """Whether these pieces of a word mean something to the model, and do not merely spell it.

    They do if the word is one piece; if none is a single letter (rare words of a large vocabulary); or if the first is
    a stem of three letters or more and over half of the word ("bell|##s").
    """
    if not set(pieces).isdisjoint(SPECIAL_TOKENS):
        return False
    lengths = [len(piece.removeprefix("##")) for piece in pieces]
    return len(pieces) == 1 or min(lengths) > 1 or (lengths[0] >= 3 and 2 * lengths[0] > sum(lengths))


def _require_bert_like(values: dict[str, Any]) -> None:
    """Raises ValueError and others for a tokenizer of other parts than ours, or with ids beyond its size.

    A chain of replacements could grow a text without end, and a large id make the library take as much memory.
    """
    for part, kinds in PARTS.items():
        kind = (values[part] or {}).get("type")
        if kind not in kinds:
            raise ValueError(f"its {part} is {str(kind)[:40]}, not {kinds[0]}")
    if (values["model"].get("unk_token"), values["padding"], values["truncation"]) != ("[UNK]", None, None):
        raise ValueError("it pads or cuts texts, or its unknown token is not [UNK]")
    ids = values["model"]["vocab"] | {token["content"]: token["id"] for token in values["added_tokens"]}
    odd = next((token for token, id_ in ids.items() if type(id_) is not int or not 0 <= id_ < len(ids)), None)
    if odd is not None:
        raise ValueError(f"the id of {odd[:40]!r} is not below its {len(ids)} tokens")


def _bert_like(model: models.WordPiece) -> Backend:
    backend = Backend(model)
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)  # type: ignore[assignment]
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # type: ignore[assignment]
    backend.decoder = decoders.WordPiece(prefix="##")  # type: ignore[assignment]
    return backend


def _with_vocabulary(vocabulary: dict[str, int]) -> Backend:
    backend = _bert_like(models.WordPiece(vocabulary, unk_token="[UNK]"))
    if vocabulary.keys() >= set(SPECIAL_TOKENS):
        backend.add_special_tokens(list(SPECIAL_TOKENS))
        ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
        backend.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
            single="[CLS] $A [SEP]", special_tokens=ends
        )
    return backend


def _inner_letters(backend: Backend, texts: list[str]) -> list[str]:
    """The pieces of one letter that are not a word's first."""
    normal = (backend.normalizer.normalize_str(text) for text in texts)  # type: ignore[union-attr]
    words = {word for text in normal for word, _ in backend.pre_tokenizer.pre_tokenize_str(text)}  # type: ignore[union-attr]
    return [f"##{letter}" for letter in sorted({letter for word in words for letter in word[1:]})]


def public_tokenizer(config: Config, path: Path | None) -> Tokenizer | None:
    """The vocabulary in a file, or BERT's if the settings ask for it; None = one is learned from the store's words.

    Raises ConfigError when it cannot be had.
    """
    if path is not None:
        return Tokenizer.from_vocabulary(path)
    return _bert_tokenizer() if config.model.text.vocabulary_size == BERT_SIZE else None


def _bert_tokenizer() -> Tokenizer:
    try:
        backend = Backend.from_pretrained(BERT_NAME)
    except Exception as error:  # tokenizers raises plain Exception for whatever goes wrong on the way to the hub
        reason = str(error).partition(".")[0].partition("\n")[0]
        raise ConfigError(
            f"vocabulary {BERT_NAME}: the Hugging Face hub cannot be reached ({reason}); this recipe reads its words "
            "with it. Give the published file with --vocabulary vocab.txt, or learn a vocabulary from the captions "
            "with --set model.text.vocabulary_size=8000."
        ) from error
    backend.no_padding()
    backend.no_truncation()
    return Tokenizer(backend)
