"""The encoder's three methods on a small untrained model: unit vectors, windows, missing modalities."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from media_files import grey, tone, write_media
from PIL import Image
from tiny import make_model

from vlsa.base.errors import CheckpointError, MediaError, VlsaError
from vlsa.config import AudioConfig, Config, EncoderConfig, ModelConfig, TextConfig, VideoConfig
from vlsa.data.batch import Batch
from vlsa.data.clip import Clip
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.types import SpecialTokens
from vlsa.model.vlsa import VLSA
from vlsa.pretrain import checkpoint
from vlsa.pretrain.checkpoint import TrainingState
from vlsa.retrieve.encode import encoders
from vlsa.retrieve.encode.batch_encoder import text_batch
from vlsa.retrieve.encode.encoders import VlsaEncoder
from vlsa.retrieve.index.build import build_index
from vlsa.retrieve.search.library import Library

WORDS = ["a bell rings twice", "a dog barks", "rain on a roof"]


@pytest.fixture(scope="module")
def encoder() -> VlsaEncoder:
    torch.manual_seed(0)
    config = ModelConfig(
        video=VideoConfig(num_frames=2, size_px=32, patch_px=16),
        audio=AudioConfig(sample_rate_hz=8000, window_samples=126, hop_samples=64, num_times=32, num_frequencies=32),
        text=TextConfig(num_tokens=8, vocabulary_size=200),
        encoder=EncoderConfig(num_layers=2, width=16, num_heads=2, fusion_layers=1),
    )
    tokenizer = Tokenizer.train(WORDS, 200)
    text = dataclasses.replace(config.text, vocabulary_size=tokenizer.vocabulary_size)
    objective = dataclasses.replace(config.objective, local_weight=0.0)
    config = dataclasses.replace(config, text=text, objective=objective)
    special = SpecialTokens(tokenizer.start_id, tokenizer.stop_id, tokenizer.mask_id)
    return VlsaEncoder(VLSA(config, special), tokenizer, batch_size=3)


def made_clip(seed: int, *, seconds: float = 0.25, picture: bool = True, sound: bool = True, texts=()) -> Clip:
    rng = np.random.default_rng(seed)
    num_frames = 6
    return Clip(
        id=f"made-{seed}",
        source="made.mp4",
        start_seconds=0.0,
        stop_seconds=seconds,
        frames=rng.integers(0, 256, (num_frames, 32, 40, 3), dtype=np.uint8) if picture else None,
        frame_seconds=np.arange(num_frames) * seconds / num_frames if picture else None,
        sound=rng.normal(0, 0.1, round(8000 * seconds)).astype(np.float32) if sound else None,
        sample_rate_hz=8000 if sound else None,
        texts=texts,
    )


def assert_unit_rows(vectors: np.ndarray, num_rows: int, width: int) -> None:
    assert vectors.dtype == np.float32
    assert vectors.shape == (num_rows, width)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_pictures_sounds_and_words_become_unit_rows_of_one_width(encoder):
    clips = [made_clip(seed) for seed in range(5)]
    assert_unit_rows(encoder.encode_video(clips), 5, encoder.width)
    assert_unit_rows(encoder.encode_audio(clips), 5, encoder.width)
    assert_unit_rows(encoder.encode_text(WORDS), 3, encoder.width)
    assert encoder.encode_text([]).shape == (0, encoder.width)


def test_a_row_does_not_depend_on_its_neighbours_or_the_batch_size(encoder):
    clips = [made_clip(seed) for seed in range(5)]
    alone = np.concatenate([encoder.encode_video([clip]) for clip in clips])
    np.testing.assert_allclose(encoder.encode_video(clips), alone, atol=1e-6)
    short, long = "a dog", "a bell rings twice"
    np.testing.assert_allclose(encoder.encode_text([short, long])[0], encoder.encode_text([short])[0], atol=1e-6)


def test_texts_are_encoded_at_their_own_length_in_like_company_and_come_back_in_their_order(encoder, monkeypatch):
    texts = ["a bell rings twice", "rain", "a dog barks", "a dog", "rain on a roof", "☃"]
    whole = torch.cat([encoder.model.encode_text(_padded_to_the_end(encoder, text)) for text in texts]).detach()
    forward, lengths = encoder.forward, []
    monkeypatch.setattr(
        encoder, "forward", lambda kind, batch: lengths.append(batch.token_ids.shape) or forward(kind, batch)
    )
    np.testing.assert_allclose(encoder.encode_text(texts), whole, atol=1e-6)
    pieces = sorted((~encoder.tokenizer.encode(text, 8)[1]).sum().item() for text in texts)
    assert lengths == [(3, pieces[2]), (3, pieces[-1])]
    assert pieces[2] < pieces[-1] <= 8


def _padded_to_the_end(encoder: VlsaEncoder, text: str) -> Batch:
    """A text as a batch of one with all the padding that the settings allow."""
    batch = text_batch([text], encoder.config, encoder.tokenizer)
    words, padding = encoder.tokenizer.encode(text, encoder.config.text.num_tokens)
    return dataclasses.replace(batch, token_ids=words[None], text_padding=padding[None])


def test_each_modality_is_encoded_by_itself(encoder):
    clip, other = made_clip(1), made_clip(2)
    mixed = dataclasses.replace(clip, sound=other.sound)
    np.testing.assert_array_equal(encoder.encode_video([clip]), encoder.encode_video([mixed]))
    assert not np.allclose(encoder.encode_audio([clip]), encoder.encode_audio([mixed]))


def test_a_query_is_encoded_on_one_thread_and_many_texts_on_all(encoder, monkeypatch):
    encode, seen = encoder.model.encode_text, []
    noting = VlsaEncoder(encoder.model, encoder.tokenizer, batch_size=30)

    def noted(batch):
        seen.append(torch.get_num_threads())
        return encode(batch)

    monkeypatch.setattr(encoder.model, "encode_text", noted)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        few, many = noting.encode_text(["a bell rings"]), noting.encode_text(["a bell rings"] * 30)
        assert (seen, torch.get_num_threads()) == ([1, 2], 2)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(few, many[:1], atol=1e-6)


def test_encoding_leaves_a_training_model_in_training(encoder):
    encoder.model.train()
    encoder.encode_text(WORDS)
    assert encoder.model.training
    encoder.model.eval()


def test_a_decoded_clip_without_the_modality_gives_a_row_of_zeros(encoder):
    silent = encoder.encode_audio([made_clip(1, sound=False), made_clip(2), made_clip(3, seconds=0.001)])
    assert silent.any(axis=1).tolist() == [False, True, False]  # a thousandth of a second is less than one patch
    assert not encoder.encode_video([made_clip(1, picture=False)]).any()


def test_an_image_file_is_a_video_of_one_frame(encoder, tmp_path):
    Image.fromarray(made_clip(4).frames[0]).save(tmp_path / "still.png")
    assert_unit_rows(encoder.encode_video([tmp_path / "still.png"]), 1, encoder.width)
    with pytest.raises(MediaError, match=r"still\.png: no audio, or nothing but silence, in it"):
        encoder.encode_audio([tmp_path / "still.png"])


def test_an_empty_text_is_refused_and_a_caption_of_unknown_words_is_not(encoder):
    with pytest.raises(VlsaError, match="a text is empty"):
        encoder.encode_text(["a dog", "  "])
    assert_unit_rows(encoder.encode_text(["☃☃"]), 1, encoder.width)
    assert [encoder.coverage(text).known for text in ("☃☃", "", "the ☃ dog")] == [(), (), ("dog",)]


def test_a_missing_file_is_one_clear_line(encoder, tmp_path):
    with pytest.raises(MediaError) as caught:
        encoder.encode_video([tmp_path / "gone.mp4"])
    assert caught.value.reason == "missing"
    assert "\n" not in str(caught.value)


def test_a_file_is_encoded_as_the_windows_that_it_is_read_in(encoder, tmp_path):
    pictures = [grey(level) for level in range(20, 250, 10)]  # 0.92 s at 25 frames a second; windows of 0.26 s
    path = write_media(tmp_path / "long.mp4", pictures=pictures, sound=tone(0.92, on_seconds=[(0.0, 0.3)]))
    windows = list(encoder._windows(path, "video"))
    assert len(windows) == 4
    assert all(clip.sound is None and len(clip.frames) == 2 for clip in windows)
    mean = encoder.encode_video(windows).mean(axis=0)
    np.testing.assert_allclose(encoder.encode_video([path])[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert_unit_rows(encoder.encode_audio([str(path)]), 1, encoder.width)  # its silent windows are passed over


def test_a_file_without_the_modality_is_named(encoder, tmp_path):
    silent = write_media(tmp_path / "silent.mp4", pictures=[grey(9)] * 10, sound=np.zeros(20_000, np.float32))
    dark = write_media(tmp_path / "only.m4a", sound=tone(0.5))
    with pytest.raises(MediaError, match=r"silent\.mp4: no audio, or nothing but silence, in it"):
        encoder.encode_audio([silent])
    with pytest.raises(MediaError, match=r"only\.m4a: no video") as caught:
        encoder.encode_video([dark])
    assert caught.value.reason == "no_video"


def test_the_fingerprint_follows_weights_settings_and_vocabulary(encoder):
    same = VlsaEncoder(encoder.model, encoder.tokenizer)
    assert same.fingerprint == encoder.fingerprint
    other_words = VlsaEncoder(encoder.model, Tokenizer.train(["quite other words"], 200))
    changed = VlsaEncoder(VLSA(encoder.config, encoder.model.special_tokens), encoder.tokenizer)
    assert len({encoder.fingerprint, other_words.fingerprint, changed.fingerprint}) == 3
    assert encoder.about["fingerprint"] == encoder.fingerprint


@pytest.fixture(scope="module")
def run_path(encoder, tmp_path_factory):
    """A run of no training, as pre-training writes it."""
    path = tmp_path_factory.mktemp("run")
    config = Config(recipe="made", model=encoder.config)
    optimizer = torch.optim.AdamW(encoder.model.parameters())
    state = TrainingState(step=0, data="none", seconds=0.0)
    checkpoint.save(path, encoder.model, optimizer, encoder.tokenizer, config, state)
    return path


def test_a_run_loads_as_the_encoder_that_was_saved(encoder, run_path):
    loaded = encoders.load(run_path)
    np.testing.assert_array_equal(loaded.encode_text(WORDS), encoder.encode_text(WORDS))
    assert loaded.fingerprint == encoder.fingerprint
    assert loaded.about["recipe"] == "made"
    assert loaded.about["run"] == str(run_path)
    assert loaded.about["checkpoint"] == "step-00000000"


def test_facts_name_the_checkpoint_that_was_loaded_though_training_saves_a_newer_one_meanwhile(
    run_path, tmp_path, monkeypatch
):
    run = shutil.copytree(run_path, tmp_path / "run")
    load_model = checkpoint.load_model

    def load_while_training(path):
        loaded = load_model(path)
        shutil.copytree(run / "checkpoints" / "step-00000000", run / "checkpoints" / "step-00000009")
        return loaded

    monkeypatch.setattr(checkpoint, "load_model", load_while_training)
    assert encoders.load(run).about["checkpoint"] == "step-00000000"


def test_a_run_that_is_missing_is_one_line(tmp_path):
    with pytest.raises(CheckpointError) as caught:
        encoders.load(tmp_path / "gone")
    assert "\n" not in str(caught.value)


def test_footage_indexed_with_a_run_is_found_by_itself(run_path, tmp_path):
    (tmp_path / "footage").mkdir()
    rng = np.random.default_rng(0)
    for name in ("one", "two", "three"):
        pictures = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)] * 16
        write_media(
            tmp_path / "footage" / f"{name}.mp4", pictures=pictures, sound=tone(0.6, hz=rng.integers(200, 3000))
        )
    build_index(run_path, tmp_path / "footage", tmp_path / "index", num_workers=0)
    library, file = Library.open(tmp_path / "index"), str(tmp_path / "footage" / "two.mp4")
    assert library.search("a dog barks", k=2)[0].why[0].score <= 1
    for target, kind in (("video", "like_video"), ("audio", "like_sound"), ("media", "like")):
        assert library.search(**{kind: [file]}, k=1, target=target)[0].path == file


def test_a_lone_string_is_refused_and_not_read_letter_by_letter(tokenizer, config):
    encoder = VlsaEncoder(make_model(config, tokenizer), tokenizer)
    for encode in (encoder.encode_video, encoder.encode_audio, encoder.encode_text):
        with pytest.raises(VlsaError, match="Give a list"):
            encode("a.mp4")
