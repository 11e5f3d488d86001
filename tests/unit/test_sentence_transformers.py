"""A run as a SentenceTransformer: the vectors of our encoder, through the library's own way in and out."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_encoder import PAIRS
from media_files import grey, tone, write_media
from PIL import Image
from sentence_transformers import SentenceTransformer
from tiny import make_model, tiny_config

import vlsa
from vlsa.base.errors import MediaError, VlsaError
from vlsa.config import Config
from vlsa.data.media.audio import resample
from vlsa.data.media.decode import decode
from vlsa.retrieve.encode.encoders import VlsaEncoder
from vlsa.retrieve.evaluate.hub import SENTENCE_MODULE, HubEncoder
from vlsa.sentence_transformers import VlsaModule

SAMPLES = {"sampling_rate": 8000}
TEXTS = ["a bell", "a dog barks twice", "a ball"]


def written(folder: Path, config, tokenizer, batch) -> Path:
    """A repository as `vlsa export hub` writes it, of a model that was not trained."""
    model = make_model(config, tokenizer)
    model.calibrate(batch)
    HubEncoder.of(VlsaEncoder(model, tokenizer, settings=Config(model=config))).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(config, tokenizer, batch, tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("hub") / "model", config, tokenizer, batch)


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> dict[str, list[str]]:
    """Files whose endings the library knows, two of each kind."""
    path = tmp_path_factory.mktemp("media")
    for n in range(2):
        pictures = [grey(40 + 90 * n), np.arange(64 * 48 * 3, dtype=np.uint8).reshape(48, 64, 3)] * 20
        write_media(path / f"{n}.mp4", pictures=pictures, frames_per_second=10, sound=tone(4, hz=300 + 500 * n))
        write_media(path / f"{n}.wav", sound=tone(4, hz=200 + 300 * n), rate_hz=48_000, audio_codec="pcm_s16le")
        Image.fromarray(np.roll(pictures[1], 20 * n, axis=1)).save(path / f"{n}.png")
    return {kind: [str(path / f"{n}.{kind}") for n in range(2)] for kind in ("mp4", "wav", "png")}


def opened(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), trust_remote_code=True, device="cpu", local_files_only=True)


def image(path: str) -> Image.Image:
    with Image.open(path) as file:
        return file.copy()


def sound_of(path: str, rate_hz: int) -> np.ndarray:
    return decode(path, 0, 4, frame_times_seconds=None, short_side_px=None, sample_rate_hz=rate_hz).sound


def test_words_sounds_videos_and_images_have_the_vectors_of_our_encoder(folder, media):
    model, encoder = opened(folder), vlsa.load(f"vlsa:{folder}")
    assert model.modalities == ["text", "audio", "video", "image"]
    assert model.get_embedding_dimension() == encoder.width
    for given, expected in (
        (TEXTS, encoder.encode_text(TEXTS)),
        (media["wav"], encoder.encode_audio(media["wav"])),
        (media["mp4"], encoder.encode_video(media["mp4"])),
        (media["png"], encoder.encode_video(media["png"])),
        ([{"audio": path} for path in media["mp4"]], encoder.encode_audio(media["mp4"])),
    ):
        found = model.encode(given, batch_size=2)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert np.abs(found[0] - found[1]).max() > 1e-4  # they are not all alike
    np.testing.assert_allclose(model.encode("a bell"), encoder.encode_text(["a bell"])[0], atol=1e-6)


def test_an_image_and_audio_in_memory_have_the_vectors_of_their_files(folder, media):
    model, rate_hz = opened(folder), vlsa.load(f"vlsa:{folder}").window.sample_rate_hz
    np.testing.assert_allclose(
        model.encode([image(path) for path in media["png"]]), model.encode(media["png"]), atol=1e-6
    )
    sounds = [sound_of(path, rate_hz) for path in media["wav"]]
    given = [{"array": np.stack([sound, sound]), "sampling_rate": rate_hz} for sound in sounds]
    np.testing.assert_allclose(model.encode(given), model.encode(media["wav"]), atol=1e-5)
    faster = {"array": resample(sounds[0], rate_hz, 2 * rate_hz), "sampling_rate": 2 * rate_hz}
    assert float(model.similarity(model.encode([faster]), model.encode(media["wav"]))[0, 0]) > 0.999


def test_similarity_is_our_cosine(folder, media):
    model = opened(folder)
    words, sounds = model.encode(TEXTS), model.encode(media["wav"])
    assert model.similarity_fn_name == "dot"
    expected = words @ sounds.T / (np.linalg.norm(words, axis=1)[:, None] * np.linalg.norm(sounds, axis=1))
    np.testing.assert_allclose(model.similarity(words, sounds), expected, atol=1e-6)


def test_with_a_space_for_each_pair_similarity_is_the_cosine_in_the_space_of_the_pair(
    tokenizer, batch, media, tmp_path
):
    config = tiny_config(heads="pair", pooling="attention", pairs=PAIRS)
    model = opened(written(tmp_path / "model", config, tokenizer, batch))
    words, sounds, videos = model.encode(TEXTS), model.encode(media["wav"]), model.encode(media["mp4"])
    width = words.shape[1] // len(PAIRS)
    for one, other, pair in ((words, sounds, "audio-text"), (words, videos, "video-text"), (sounds, videos, PAIRS[0])):
        space = slice(PAIRS.index(pair) * width, (PAIRS.index(pair) + 1) * width)
        lengths = np.linalg.norm(one[:, space], axis=1)[:, None] * np.linalg.norm(other[:, space], axis=1)
        expected = one[:, space] @ other[:, space].T / lengths
        np.testing.assert_allclose(model.similarity(one, other), expected, atol=1e-6)
    assert float(model.similarity(words[:1], words[:1])) == pytest.approx(2, abs=1e-5)  # as docs/encoders.md says


def test_what_the_library_saves_it_loads_again_and_so_do_we(folder, media, tmp_path):
    model = opened(folder)
    model.prompts["query"] = "a "
    model.save_pretrained(str(tmp_path / "saved"))
    again = opened(tmp_path / "saved")
    np.testing.assert_array_equal(again.encode(media["mp4"]), model.encode(media["mp4"]))
    np.testing.assert_array_equal(again.encode("bell", prompt_name="query"), model.encode("a bell"))
    assert again.similarity_fn_name == "dot"
    assert vlsa.load(f"vlsa:{tmp_path}/saved").fingerprint == vlsa.load(f"vlsa:{folder}").fingerprint
    card = (tmp_path / "saved" / "README.md").read_text(encoding="utf-8")
    assert card == (folder / "README.md").read_text(encoding="utf-8")


def test_a_hub_id_is_read_from_the_cache_of_the_library(folder, tmp_path):
    repository = tmp_path / "models--org--name"
    shutil.copytree(folder, repository / "snapshots" / ("a" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    model = SentenceTransformer(
        "org/name", trust_remote_code=True, device="cpu", cache_folder=str(tmp_path), local_files_only=True
    )
    np.testing.assert_array_equal(model.encode(TEXTS), opened(folder).encode(TEXTS))


def test_a_module_made_by_hand_is_the_one_that_a_repository_names(folder):
    encoder = HubEncoder.from_pretrained(folder)
    model = SentenceTransformer(modules=[VlsaModule(encoder)], similarity_fn_name="dot", device="cpu")
    np.testing.assert_allclose(model.encode(TEXTS), encoder.encode_text(TEXTS), atol=1e-6)
    assert f"{VlsaModule.__module__}.{VlsaModule.__name__}" == SENTENCE_MODULE


def test_encoding_leaves_a_model_that_can_be_trained(folder, batch):
    model = opened(folder)
    model.encode(TEXTS)
    network = model[0].model.train()
    network(batch, torch.Generator().manual_seed(0)).total.backward()
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_a_model_that_has_no_vector_of_a_modality_says_so(tokenizer, batch, media, tmp_path):
    config = tiny_config(heads="pair", pairs=("audio-text",))
    model = opened(written(tmp_path / "model", config, tokenizer, batch))
    assert model.modalities == ["text", "audio"]
    with pytest.raises(ValueError, match="Modality 'image' is not supported"):
        model.encode([image(media["png"][0])])


def test_what_cannot_be_encoded_is_one_line(folder, media, tmp_path):
    model = opened(folder)
    silent = write_media(tmp_path / "silent.mp4", pictures=[grey(9)] * 30)
    for given, error, words in (
        ([{"audio": str(silent)}], MediaError, "no audio"),
        ([np.zeros(4000, np.float32)], VlsaError, "audio as ndarray: its times or its rate are not known"),
        (
            [SAMPLES | {"array": np.zeros((4000, 2), np.float32)}],
            VlsaError,
            r"audio of float32 \(4000, 2\): not numbers",
        ),
        ([SAMPLES | {"array": np.ones(4000, np.int16)}], VlsaError, r"audio of int16 \(4000,\): not numbers"),
        ([""], VlsaError, "a text is empty"),
    ):
        with pytest.raises(error, match=words) as caught:
            model.encode(given)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="mixes multiple modalities"):
        model.encode(["a bell", media["wav"][0]])


def test_a_repository_is_not_run_without_being_trusted(folder):
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        SentenceTransformer(str(folder), device="cpu", local_files_only=True)
