"""AST, BERT's embeddings and CLIP's text in our model, against transformers with the same random weights."""

import public_models as public
import pytest
import torch
from tiny import change, generator, make_model, tower
from torch.nn import functional as F

from vlsa.config import ModelConfig
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.patches import patchify_audio
from vlsa.model.vlsa import VLSA
from vlsa.model.warm_start import apply, read


def begun(config: ModelConfig, tokenizer: Tokenizer, where: str, **encoder) -> VLSA:
    model = make_model(change(config, "encoder", positions="learned", **encoder), tokenizer)
    apply(model, [read(where)])
    return model.eval()


def everything(tokens: torch.Tensor):
    return [torch.zeros(tokens.shape[:2], dtype=torch.bool)]


# --- AST


def test_ast_gives_the_hidden_states_of_transformers(config, tokenizer, tmp_path):
    theirs = public.ast()
    model = begun(config, tokenizer, public.written(theirs, tmp_path), norm_eps=1e-12)
    spectrogram = torch.randn(3, 64, 32, generator=generator())
    with torch.no_grad():
        tokens, expected = theirs.embeddings(spectrogram), theirs(spectrogram).last_hidden_state
        ours = tower(model)(tokens, everything(tokens))
    assert (ours - expected).abs().max() < 1e-5


def test_a_spectrogram_becomes_the_tokens_of_ast(config, tokenizer, tmp_path):
    theirs = public.ast()
    model = begun(config, tokenizer, public.written(theirs, tmp_path), norm_eps=1e-12)
    spectrogram = torch.randn(3, 64, 32, generator=generator())
    with torch.no_grad():
        # AST's spectrograms have a deviation of 0.5; it runs through its tokens frequency by frequency.
        expected = theirs.embeddings(0.5 * spectrogram)[:, 2:].unflatten(1, (4, 8)).transpose(1, 2).flatten(1, 2)
        ours = model.embedding.embed_audio(patchify_audio(spectrogram, 8))
    assert (ours - expected).abs().max() < 1e-5


def test_of_ast_patches_that_overlap_ours_are_every_second(config, tokenizer, tmp_path):
    theirs = public.ast(frequency_stride=4, time_stride=4)
    model = begun(config, tokenizer, public.written(theirs, tmp_path), norm_eps=1e-12)
    spectrogram = torch.randn(3, 64, 32, generator=generator())
    with torch.no_grad():
        expected = theirs.embeddings.patch_embeddings(0.5 * spectrogram).unflatten(1, (7, 15))[:, ::2, ::2]
        ours = model.embedding.audio(patchify_audio(spectrogram, 8)).unflatten(1, (8, 4)).transpose(1, 2)
    assert (ours - expected).abs().max() < 1e-5


def test_positions_of_overlapping_patches_are_resized_bicubically(config, tokenizer, tmp_path):
    theirs = public.ast(frequency_stride=4, time_stride=4)
    model = begun(config, tokenizer, public.written(theirs, tmp_path), norm_eps=1e-12)
    table = theirs.embeddings.position_embeddings[0, 2:].unflatten(0, (7, 15)).permute(2, 0, 1)[None]
    expected = F.interpolate(table, size=(4, 8), mode="bicubic", align_corners=False)[0].permute(2, 1, 0)
    torch.testing.assert_close(model.embedding.positions.audio, expected.flatten(0, 1), atol=1e-6, rtol=1e-5)


# --- BERT


def test_words_become_the_embeddings_of_bert(config, tokenizer, tmp_path):
    theirs = public.bert(vocab_size=tokenizer.vocabulary_size)
    sized = change(config, "text", vocabulary_size=tokenizer.vocabulary_size)
    where = public.written(theirs, tmp_path)
    model = begun(sized, tokenizer, where, norm_eps=1e-12, input_norms=("text",))
    words = torch.randint(0, tokenizer.vocabulary_size, (3, 12), generator=generator())
    with torch.no_grad():
        expected, ours = theirs.embeddings(words), model.embedding.embed_text(words)
    assert (ours - expected).abs().max() < 1e-5


def test_bert_gives_no_blocks_since_they_would_answer_otherwise(config, tokenizer, tmp_path):
    theirs = public.bert(vocab_size=tokenizer.vocabulary_size)
    sized = change(config, "text", vocabulary_size=tokenizer.vocabulary_size)
    where = public.written(theirs, tmp_path)
    fresh = make_model(change(sized, "encoder", positions="learned"), tokenizer).encoder.state_dict()
    after = begun(sized, tokenizer, where).encoder.state_dict()
    assert all(torch.equal(after[name], fresh[name]) for name in fresh)


# --- CLIP's text. It looks at earlier words alone; our encoder looks at all. So the blocks are compared where the two
# agree: on single words, and with transformers' causal mask taken off.


@pytest.mark.parametrize("family", ["clip_text", "clip"])
def test_clip_text_gives_the_hidden_states_of_transformers_without_the_causal_mask(config, tokenizer, tmp_path, family):
    theirs = getattr(public, family)()
    where = public.written(theirs, tmp_path)
    model = begun(config, tokenizer, f"text={where}", activation="quick_gelu")
    text = theirs.text_model if family == "clip" else theirs
    words = torch.randint(0, 99, (3, 12), generator=generator())
    with torch.no_grad():
        tokens = text.embeddings(words)
        unmasked = text.encoder(inputs_embeds=tokens, attention_mask=None, is_causal=False).last_hidden_state
        ours = tower(model)(tokens, everything(tokens))
        masked = text(words).last_hidden_state
    assert (ours - text.final_layer_norm(unmasked)).abs().max() < 1e-5
    assert (ours - masked).abs().max() > 0.01  # the mask does matter: the two are not the same model


def test_clip_text_gives_the_hidden_states_of_transformers_for_single_words(config, tokenizer, tmp_path):
    theirs = public.clip_text()
    model = begun(config, tokenizer, public.written(theirs, tmp_path), activation="quick_gelu")
    words = torch.arange(50)[:, None]
    with torch.no_grad():
        tokens, expected = theirs.embeddings(words), theirs(words).last_hidden_state
        ours = tower(model)(tokens, everything(tokens))
    assert (ours - expected).abs().max() < 1e-5
    torch.testing.assert_close(model.embedding.positions.text, theirs.embeddings.position_embedding.weight[:12])
