"""Public encoders against transformers itself: the same files, the same inputs, the same numbers."""

import numpy as np
import public_encoders as public
import pytest
import torch
import transformers as hf

import vlsa
from vlsa.data.clip import Clip
from vlsa.retrieve.encode.public.pe_tower import PeTowerConfig, Tower
from vlsa.retrieve.encode.sampling import Sampling

TEXTS = ["a dog barks twice", "Rain, on a roof!", "dog"]
CLOSE = {"rtol": 0, "atol": 1e-5}
ONE_CROP = Sampling(num_crops=1)
KINDS = {"clip": public.clip, "siglip": public.siglip, "siglip2": public.siglip2, "clap": public.clap}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    place = tmp_path_factory.mktemp("public")
    return {name: write(place / name) for name, write in KINDS.items()}


def family(name: str) -> str:
    return name.removesuffix("2")


def opened(folders: dict[str, str], name: str) -> tuple:
    model, tokenizer = hf.AutoModel.from_pretrained(folders[name]), hf.AutoTokenizer.from_pretrained(folders[name])
    return vlsa.load(f"{family(name)}:{folders[name]}").with_sampling(ONE_CROP), model.eval(), tokenizer


def frames_of(seed: int, num_frames: int, height_px: int, width_px: int, seconds: float = 2.0) -> Clip:
    rng = np.random.default_rng(seed)
    shades = rng.integers(0, 256, (num_frames, height_px // 8 + 1, width_px // 8 + 1, 3), np.uint8)
    frames = shades.repeat(8, axis=1).repeat(8, axis=2)[:, :height_px, :width_px]
    times = np.arange(num_frames) * seconds / num_frames
    return Clip(id=f"c{seed}", source="", start_seconds=0, stop_seconds=seconds, frames=frames, frame_seconds=times)


def sound_of(seed: int, seconds: float) -> Clip:
    sound = np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * public.RATE_HZ)).astype(np.float32)
    times = {"start_seconds": 0, "stop_seconds": seconds, "sample_rate_hz": public.RATE_HZ}
    return Clip(id=f"s{seed}", source="", sound=sound, **times)


def unit(vectors: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(vectors, dim=-1).detach().numpy()


@pytest.mark.parametrize("name", KINDS)
def test_words_have_the_vectors_of_the_library_alone_and_together(folders, name):
    encoder, model, tokenizer = opened(folders, name)
    limit = {"truncation": True, "max_length": encoder.num_tokens, "return_tensors": "pt"}
    for texts in ([TEXTS[0]], TEXTS, [*TEXTS, "a dog barks " * 30]):
        padding = "max_length" if family(name) == "siglip" else True
        inputs = tokenizer(texts, padding=padding, **limit)
        expected = unit(model.get_text_features(**inputs).pooler_output)
        np.testing.assert_allclose(encoder.encode_text(texts), expected, **CLOSE)


@pytest.mark.parametrize("name", ["clip", "siglip", "siglip2"])
@pytest.mark.parametrize("size", [(32, 32), (37, 53), (90, 41)])
def test_pictures_of_any_size_have_the_vectors_of_the_library(folders, name, size):
    encoder, model, _ = opened(folders, name)
    processor = hf.AutoImageProcessor.from_pretrained(folders[name])
    clips = [frames_of(seed, 1, *size) for seed in range(3)]
    images = [clip.frames[0] for clip in clips]
    expected = unit(model.get_image_features(**processor(images=images, return_tensors="pt")).pooler_output)
    np.testing.assert_allclose(encoder.encode_video(clips), expected, **CLOSE)
    np.testing.assert_allclose(encoder.encode_video(clips[1:2]), expected[1:2], **CLOSE)


@pytest.mark.parametrize("name", ["clip", "siglip", "siglip2"])
def test_a_window_is_the_mean_of_its_frames_and_a_wide_one_of_its_crops(folders, name):
    encoder, model, _ = opened(folders, name)
    processor = hf.AutoImageProcessor.from_pretrained(folders[name])
    clip = frames_of(5, 6, 32, 64)

    def mean(frames: np.ndarray) -> torch.Tensor:
        inputs = processor(images=list(frames), return_tensors="pt")
        return torch.from_numpy(unit(model.get_image_features(**inputs).pooler_output).mean(axis=0))

    np.testing.assert_allclose(encoder.encode_video([clip])[0], unit(mean(clip.frames)), **CLOSE)
    crops = [clip.frames[:, :, left : left + 32] for left in (0, 16, 32)]
    expected = unit(torch.stack([torch.from_numpy(unit(mean(crop))) for crop in crops]).mean(dim=0))
    np.testing.assert_allclose(encoder.with_sampling(Sampling()).encode_video([clip])[0], expected, **CLOSE)


@pytest.mark.parametrize("fusion", [False, True])
def test_sounds_of_any_length_up_to_a_window_have_the_vectors_of_the_library(tmp_path, fusion):
    folder = public.clap(tmp_path, fusion=fusion)
    encoder, model = vlsa.load(f"clap:{folder}"), hf.ClapModel.from_pretrained(folder).eval()
    features = hf.ClapFeatureExtractor.from_pretrained(folder)
    clips = [sound_of(seed, seconds) for seed, seconds in enumerate((1.0, 0.3, 0.77, 0.011))]
    inputs = features([clip.sound for clip in clips], sampling_rate=public.RATE_HZ, return_tensors="pt")
    inputs["is_longer"] = torch.zeros(4, 1, dtype=torch.bool)  # which none of them is
    expected = unit(model.get_audio_features(**inputs).pooler_output)
    np.testing.assert_allclose(encoder.encode_audio(clips), expected, **CLOSE)
    np.testing.assert_allclose(encoder.encode_audio(clips[2:3]), expected[2:3], **CLOSE)


def test_a_long_sound_is_the_mean_of_its_windows(folders):
    encoder, model, _ = opened(folders, "clap")
    features = hf.ClapFeatureExtractor.from_pretrained(folders["clap"])
    long = sound_of(3, 2.5)
    windows = [long.sound[start : start + 8000] for start in (0, 6000, 12000)]
    inputs = features(windows, sampling_rate=public.RATE_HZ, return_tensors="pt")
    expected = unit(model.get_audio_features(**inputs).pooler_output.mean(dim=0))
    np.testing.assert_allclose(encoder.encode_audio([long])[0], expected, **CLOSE)


def test_pe_av_has_the_vectors_of_the_library_in_the_space_of_each_pair(tmp_path):
    encoder = vlsa.load(f"pe-av:{public.pe_av(tmp_path)}")
    clips, sounds = [frames_of(seed, 3, 32, 32) for seed in range(3)], [sound_of(seed, 0.5) for seed in range(3)]
    pixels = torch.stack([torch.from_numpy(clip.frames).permute(0, 3, 1, 2) for clip in clips]).float() / 127.5 - 1
    features, tokenizer = (kind.from_pretrained(tmp_path) for kind in (hf.PeAudioFeatureExtractor, hf.AutoTokenizer))
    inputs = features([clip.sound for clip in sounds], sampling_rate=public.RATE_HZ, return_tensors="pt")
    with torch.no_grad():
        expected = encoder.model(
            pixel_values_videos=pixels, **inputs, **tokenizer(TEXTS, padding=True, return_tensors="pt")
        )
    video, audio, text = (
        vectors.reshape(3, 3, -1)
        for vectors in (encoder.encode_video(clips), encoder.encode_audio(sounds), encoder.encode_text(TEXTS))
    )
    for found, names in {
        "audio-video": ((audio, "audio_embeds"), (video, "video_embeds")),
        "audio-text": ((audio, "audio_embeds"), (text, "text_audio_embeds")),
        "video-text": ((video, "video_embeds"), (text, "text_video_embeds")),
    }.items():
        for vectors, name in names:
            space = encoder.spaces.index(found)
            np.testing.assert_allclose(vectors[:, space], unit(getattr(expected, name)), **CLOSE)
    assert not video[:, 1].any() and not audio[:, 2].any() and not text[:, 0].any()


def test_lengths_do_not_change_each_other_in_a_batch_of_pe_av(tmp_path):
    encoder = vlsa.load(f"pe-av:{public.pe_av(tmp_path)}")
    sounds, clips = (
        [sound_of(n, 0.2 + 0.3 * (n % 2)) for n in range(4)],
        [frames_of(n, 2 + n, 32, 32) for n in range(3)],
    )
    for items, encode in ((sounds, encoder.encode_audio), (clips, encoder.encode_video)):
        alone = np.concatenate([encode([item]) for item in items])
        np.testing.assert_allclose(encode(items), alone, **CLOSE)


def test_the_tower_for_frames_of_pe_av_has_the_numbers_of_timm():
    """Golden: `vit_pe_core_large_patch14_336` of timm 1.0.31 with these sizes and these weights."""
    config = PeTowerConfig(width=64, depth=2, mlp_width=256, patch_px=8, grid=3)
    config.num_labels = 6
    tower, rng = Tower(config).eval(), np.random.default_rng(0)
    for name, parameter in sorted(tower.named_parameters()):
        is_norm = "norm" in name and name.endswith("weight")
        values = 0.3 * rng.standard_normal(tuple(parameter.shape)) + is_norm
        parameter.data = torch.from_numpy(values.astype(np.float32))
    images = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 3, 24, 24)).astype(np.float32))
    expected = [
        [1.063035, 0.961244, -2.982138, -49.251022, 13.757491, -64.732445],
        [-2.689658, 15.162432, -7.301339, -17.173624, 21.884066, -52.464867],
    ]
    with torch.no_grad():
        np.testing.assert_allclose(tower(images), expected, rtol=1e-4, atol=1e-4)
