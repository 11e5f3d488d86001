"""A space for each pair of modalities: what encoders, evaluation, index and search make of its vectors."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from fake_encoder import PAIRS, PairEncoder, numbered_clip, write_numbered_sound
from PIL import Image
from tiny import make_model, tiny_clips, tiny_config

from vlsa.base.errors import VlsaError
from vlsa.config import MODALITIES
from vlsa.retrieve.encode.embed import embed_clips
from vlsa.retrieve.encode.encoders import VlsaEncoder
from vlsa.retrieve.encode.unit_vectors import fuse, unit_length
from vlsa.retrieve.evaluate.directions import evaluate_embeddings, measured
from vlsa.retrieve.evaluate.results import DIRECTIONS, direction_label
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.query import compared_with
from vlsa.retrieve.index.rows import IndexRow
from vlsa.retrieve.search.asked import Asked
from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.searched import Cosines


def test_rows_are_of_unit_length_in_each_space_and_media_average_in_each(tokenizer):
    encoder = VlsaEncoder(make_model(tiny_config(heads="pair", pooling="attention", pairs=PAIRS), tokenizer), tokenizer)
    clips = tiny_clips(3)
    found = embed_clips(encoder, clips)
    assert (encoder.width, encoder.spaces, found.spaces) == (96, PAIRS, PAIRS)
    for modality in MODALITIES:
        lengths = np.linalg.norm(getattr(found, modality).reshape(-1, 3, 32), axis=2)
        np.testing.assert_allclose(lengths, [[float(modality in pair) for pair in PAIRS]] * len(lengths), atol=1e-5)
    cosines = found.text @ found.media.T
    np.testing.assert_allclose(cosines, (found.text @ found.video.T + found.text @ found.audio.T) / 2, atol=1e-5)


def test_a_fused_vector_counts_what_is_present():
    rng = np.random.default_rng(0)
    spaces = {name: np.array([name in pair for pair in PAIRS]).repeat(4) for name in MODALITIES}
    video, audio, text = (
        unit_length(rng.normal(size=(2, 12)).astype(np.float32) * spaces[name], 3) for name in MODALITIES
    )
    audio[1] = 0
    fused = fuse({"video": video, "audio": audio}, PAIRS)
    assert text[0] @ fused[0] == pytest.approx((text[0] @ video[0] + text[0] @ audio[0]) / 2, abs=1e-6)
    assert text[1] @ fused[1] == pytest.approx(text[1] @ video[1], abs=1e-6)
    alone = fuse({"video": video, "audio": audio}, ("audio-video", "other", "video-text"))  # text meets video only
    assert text[0] @ alone[0] == pytest.approx(text[0] @ video[0], abs=1e-6)


def test_twelve_directions_are_each_found_in_their_own_space():
    clips = [numbered_clip(n, texts=(f"clip {n}",)) for n in range(12)]
    results = evaluate_embeddings(embed_clips(PairEncoder(), clips), num_resamples=0)
    assert list(results) == list(DIRECTIONS)
    assert len(results) == 12
    assert {name: result.scores.recall[1] for name, result in results.items()} == dict.fromkeys(DIRECTIONS, 1.0)


def test_each_fused_direction_ranks_by_the_mean_of_its_two_cosines():
    rng = np.random.default_rng(1)
    clips = [numbered_clip(n, texts=(f"clip {n}",)) for n in range(6)]
    found = embed_clips(PairEncoder(), clips)
    noisy = {
        name: unit_length(part + rng.normal(size=part.shape).astype(np.float32) * (part != 0) * 0.4, 3)
        for name in MODALITIES
        for part in [getattr(found, name)]
    }
    found = replace(found, **noisy)
    results = evaluate_embeddings(found, num_resamples=0)
    for query, item in [(("video", "text"), "audio"), (("audio", "text"), "video"), (("video", "audio"), "text")]:
        cosines = sum(noisy[part] @ noisy[item].T for part in query) / 2
        name = {"audio": "video_text_to_audio", "video": "audio_text_to_video", "text": "media_to_text"}[item]
        ranks = (cosines > np.diag(cosines)[:, None]).sum(axis=1) + 1
        assert results[name].scores.recall[1] == pytest.approx((ranks == 1).mean())


def test_fused_sides_are_named_by_what_they_hold():
    assert direction_label("text_to_media") == "text → video+audio"
    assert direction_label("video_text_to_audio") == "video+text → audio"
    assert direction_label("audio_to_video") == "audio → video"


def test_modalities_that_no_space_compares_are_no_direction():
    class VideoText(PairEncoder):
        spaces = ("video-text",)
        width = 16

        def _in_spaces(self, encode, items, modality):
            return super()._in_spaces(encode, items, modality)[:, 32:]

    clips = [numbered_clip(n, texts=(f"clip {n}",)) for n in range(4)]
    results = evaluate_embeddings(embed_clips(VideoText(), clips), num_resamples=0)
    assert list(results) == ["text_to_video", "video_to_text"]  # text to media would repeat the first
    clips = embed_clips(PairEncoder(), clips)
    assert measured(replace(clips, spaces=("audio-video", "audio-text", "other"))) == [
        "text_to_audio", "audio_to_video", "audio_to_text", "video_to_audio",
        "video_text_to_audio", "audio_to_video_text",
    ]  # fmt: skip


@pytest.fixture
def library(tmp_path) -> Library:
    """Clips of which some have no video and some no audio."""
    encoder = PairEncoder()
    index = Index.create(tmp_path / "index", encoder)
    clips = [numbered_clip(n, picture=n % 4 != 0, sound=n % 4 != 1, texts=(f"clip {n}",)) for n in range(12)]
    found = embed_clips(encoder, clips)
    index.add([
        IndexRow(id=f"clip-{n}", path=f"/footage/{n}.mp4", spaces=found.spaces, start_seconds=0.0, stop_seconds=2.0,
                 video=found.video[n] if found.has_video[n] else None,
                 audio=found.audio[n] if found.has_audio[n] else None)
        for n in range(12)
    ] + [
        IndexRow(id=f"text-{n}", path=f"/footage/{n}.mp4", spaces=found.spaces, start_seconds=0.0, stop_seconds=2.0,
                 kind="text", texts=(f"clip {n}",), text_vector=found.text[n])
        for n in range(12)
    ])  # fmt: skip
    return Library.open(tmp_path / "index", encoder=encoder)


QUESTIONS = {
    "text": {"text": "clip 6"},
    "audio": {"like_sound": ["ring-6.wav"]},
    "video": {"like_video": ["ring-6.png"]},
}


@pytest.mark.parametrize(("asked", "target"), [*itertools.product(QUESTIONS, ["video", "audio", "text", "media"])])
def test_any_question_finds_its_clip_in_any_target_with_a_cosine_of_one(library, asked, target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_numbered_sound(tmp_path / "ring-6.wav", 6)
    Image.new("RGB", (32, 32), (6, 6, 6)).save(tmp_path / "ring-6.png")
    moments = library.search(**QUESTIONS[asked], k=12, target=target)
    assert moments[0].path == "/footage/6.mp4"
    cosines = [reason.score for reason in moments[0].why if reason.modality != "words"]
    assert cosines == pytest.approx([1.0] * len(cosines), abs=1e-5) and cosines
    found = {"video": 9, "audio": 9, "text": 12, "media": {"text": 12, "audio": 9, "video": 9}[asked]}[target]
    assert len(moments) == found


def test_clips_with_one_modality_are_neither_ahead_nor_behind_in_media(library):
    """The mean of what there is: cosines of unlike clips are around 0 whether a clip has one or two of them."""
    encoder = PairEncoder()
    clips = [numbered_clip(n) for n in range(12)]
    (text,), video, audio = encoder.encode_text(["clip 6"]), encoder.encode_video(clips), encoder.encode_audio(clips)
    searched = library.tables.searched
    scores = Cosines(searched).of(Asked(1.0, "text", "media", text[None], 1))
    for row, file in enumerate(searched.windows.file):
        n = int(searched.paths[file].removeprefix("/footage/").removesuffix(".mp4"))
        present = [part[n] for part, there in ((video, n % 4 != 0), (audio, n % 4 != 1)) if there]
        assert scores[row] == pytest.approx(np.mean([text @ one for one in present]), abs=1e-5)


def test_a_question_that_no_space_answers_is_one_line():
    assert compared_with("text", "audio", ("all",)) == ("audio", 1)
    assert compared_with("video", "video", PAIRS) == ("video", 2)
    assert compared_with("video", "media", PAIRS) == ("video", 2)
    assert compared_with("text", "media", ("video-text",)) == ("media", 1)
    with pytest.raises(VlsaError, match=r"^search: this model compares audio-video, not text with audio; .* Ask other"):
        compared_with("text", "audio", ("audio-video",))


def test_a_modality_that_no_space_holds_is_refused_in_one_line_and_left_out_of_clips(tokenizer):
    encoder = VlsaEncoder(make_model(tiny_config(heads="pair", pairs=("video-text",)), tokenizer), tokenizer)
    with pytest.raises(VlsaError, match=r"^encode_audio: this model compares video-text alone; audio has no vector"):
        encoder.encode_audio(tiny_clips(1))
    found = embed_clips(encoder, tiny_clips(2))
    assert not found.has_audio.any()
    assert found.has_video.all()
    assert found.text.any(axis=1).all()
