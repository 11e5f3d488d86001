"""WordPiece: there and back, cut with [SEP] kept, the same vocabulary each time, and BERT's own file format."""

import pytest
import torch

from vlsa.base.errors import CheckpointError, ConfigError
from vlsa.data.loading.tokenizer import SPECIAL_TOKENS, TextCoverage, Tokenizer

TEXTS = ["a red ball bounces twice", "the metal star swings against a post", "rain falls on a roof", "a bell rings"]


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return Tokenizer.train(TEXTS, 200)


def bert_file(tmp_path, pieces):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return path


PIECES = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "bell", "ring", "##s", "!", "cafe"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_known_text_comes_back(trained, text):
    words, padding = trained.encode(text, 40)
    assert trained.decode(words.tolist()) == text
    assert words[0] == trained.start_id
    assert words[~padding][-1] == trained.stop_id
    assert (words[padding] == trained.padding_id).all()


def test_case_and_accents_are_folded(trained):
    assert torch.equal(trained.encode("A RED Báll", 10)[0], trained.encode("a red ball", 10)[0])


def test_a_long_text_is_cut_and_keeps_its_stop(trained):
    whole, _ = trained.encode(TEXTS[1], 40)
    words, padding = trained.encode(TEXTS[1], 5)
    assert words.tolist() == [*whole[:4].tolist(), trained.stop_id]
    assert not padding.any()


def test_a_text_that_just_fits_is_not_cut(trained):
    length = int((~trained.encode(TEXTS[0], 40)[1]).sum())
    words, padding = trained.encode(TEXTS[0], length)
    assert trained.decode(words.tolist()) == TEXTS[0]
    assert not padding.any()


def test_an_empty_text_is_start_and_stop(trained):
    words, padding = trained.encode("", 4)
    assert words.tolist() == [trained.start_id, trained.stop_id, trained.padding_id, trained.padding_id]
    assert padding.tolist() == [False, False, True, True]


def test_an_unknown_letter_is_the_unknown_piece(trained):
    assert trained.encode("日", 4)[0][1] == trained.backend.token_to_id("[UNK]")


def test_training_is_deterministic_in_any_order_of_the_texts():
    """The backend's trainer alone is not: it numbers letters by the order of a randomly seeded hash map."""
    orders = [TEXTS, TEXTS[::-1]] * 5
    assert len({Tokenizer.train(texts, 60).to_json() for texts in orders}) == 1


def test_a_vocabulary_has_at_most_the_asked_size(trained):
    assert Tokenizer.train(TEXTS, 40).vocabulary_size == 40
    assert trained.vocabulary_size <= 200


def test_it_travels_as_json(trained):
    again = Tokenizer.from_json(trained.to_json(), "here")
    assert torch.equal(again.encode(TEXTS[0], 12)[0], trained.encode(TEXTS[0], 12)[0])
    assert again.mask_id == trained.mask_id
    assert again.vocabulary_size == trained.vocabulary_size


@pytest.mark.parametrize("text", ["", "{", '{"version": "1.0"}'])
def test_damaged_json_is_a_damaged_checkpoint(text):
    with pytest.raises(CheckpointError, match=r"^model: not a tokenizer .*damaged"):
        Tokenizer.from_json(text, "model")


# --- a published vocabulary


def test_a_bert_vocabulary_gives_its_line_numbers(tmp_path):
    tokenizer = Tokenizer.from_vocabulary(bert_file(tmp_path, PIECES))
    words, padding = tokenizer.encode("A bell rings! Café", 10)
    assert words.tolist() == [3, 6, 7, 8, 9, 10, 11, 4, 0, 0]
    assert padding.tolist() == [False] * 8 + [True] * 2
    assert (tokenizer.padding_id, tokenizer.start_id, tokenizer.stop_id, tokenizer.mask_id) == (0, 3, 4, 5)
    assert tokenizer.vocabulary_size == len(PIECES)


def test_special_pieces_of_a_bert_vocabulary_are_left_out_of_decoded_text(tmp_path):
    tokenizer = Tokenizer.from_vocabulary(bert_file(tmp_path, PIECES))
    assert tokenizer.decode(tokenizer.encode("a bell rings", 10)[0].tolist()) == "a bell rings"


def test_a_line_separator_of_unicode_inside_a_piece_shifts_no_id(tmp_path):
    pieces = [*PIECES, "x\u2028", "y\x85", "last"]
    tokenizer = Tokenizer.from_vocabulary(bert_file(tmp_path, pieces))
    assert tokenizer.encode("last", 4)[0][1] == len(pieces) - 1


def test_lines_may_end_as_on_windows(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes("\r\n".join(PIECES).encode())
    assert Tokenizer.from_vocabulary(path).encode("bell", 4)[0].tolist() == [3, 7, 4, 0]


@pytest.mark.parametrize("missing", SPECIAL_TOKENS)
def test_a_vocabulary_without_a_special_piece_is_named(tmp_path, missing):
    path = bert_file(tmp_path, [piece for piece in PIECES if piece != missing])
    with pytest.raises(ConfigError, match=rf"\[{missing[1:-1]}\] not in it; .* Use a BERT vocabulary"):
        Tokenizer.from_vocabulary(path)


def test_a_missing_or_binary_vocabulary_is_one_line(tmp_path):
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    for name in ("none.txt", "binary.txt"):
        with pytest.raises(ConfigError, match=rf"{name}: not a readable vocabulary .*Give a vocab\.txt") as caught:
            Tokenizer.from_vocabulary(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_word_that_is_only_spelled_in_letters_is_unknown_and_a_known_stem_is_known(trained):
    text = "A helicopter, bells and a RED ball!"
    coverage = trained.coverage(text, 40)
    assert (coverage.known, coverage.unknown) == (("bells", "RED", "ball"), ("helicopter", "and"))
    assert coverage.num_words == coverage.num_used == 5  # single letters and punctuation are no words


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("bell", True),
        ("bells", True),  # bell|##s
        ("unicycle", True),  # un|##ic|##yc|##le: pieces of a large vocabulary, none a single letter
        ("cars", False),  # c|##ar|##s
        ("zebra", False),  # [UNK]
        ("[MASK]", False),
        ("鐘", True),  # a script whose characters are words
    ],
)
def test_known_words_follow_from_their_pieces(tmp_path, text, known):
    pieces = [*PIECES, "c", "##ar", "un", "##ic", "##yc", "##le", "鐘"]
    coverage = Tokenizer.from_vocabulary(bert_file(tmp_path, pieces)).coverage(text, 40)
    assert bool(coverage.known) == known


@pytest.mark.parametrize("text", ["", "?!", "a", "e  ☃"])
def test_a_text_without_words_has_none_to_know(trained, text):
    assert trained.coverage(text, 40) == TextCoverage((), (), 0)


def test_words_beyond_the_token_limit_are_counted_and_not_used(trained):
    coverage = trained.coverage(TEXTS[1], 6)  # four tokens beside [CLS] and [SEP]
    assert coverage.known == ("the", "metal", "star", "swings")
    assert (coverage.num_words, coverage.num_used) == (6, 4)
    assert trained.num_cut(TEXTS, 6) == 3  # "a bell rings" fits
    assert trained.num_cut(TEXTS, 40) == 0
