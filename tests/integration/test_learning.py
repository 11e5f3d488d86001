"""Forty steps on clips of the made world: the losses fall, and sounds find their own pictures and words."""

import copy
import dataclasses
import math

import pytest
import torch
from tiny import change, generator, make_batch, tiny_clips, tiny_run

from vlsa.data.batch import Batch
from vlsa.data.loading.loader import MemoryClips
from vlsa.model.vlsa import VLSA
from vlsa.pretrain.checkpoint import build_model, load_model
from vlsa.pretrain.loop import pretrain

NUM_CLIPS = 12
CHANCE = 1 / NUM_CLIPS
NAMES = ("video", "text")


def accuracy(model: VLSA, batch: Batch, name: str) -> float:
    """Share of sounds nearest to their own picture (or text), and back; ties count by expectation."""
    vectors = model.globals(batch).vectors
    forth = vectors["audio"] @ vectors[name].T
    shares = []
    for similarity in (forth, forth.T):
        best = similarity >= similarity.amax(dim=1, keepdim=True) - 1e-6
        shares.append((best.diagonal() / best.sum(dim=1)).mean().item())
    return sum(shares) / 2


@dataclasses.dataclass
class Learned:
    """A model before and after forty steps, and the loss terms of both with the same masks."""

    fresh: VLSA
    model: VLSA
    batch: Batch
    before: dict[str, float]
    after: dict[str, float]


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> Learned:
    clips = [dataclasses.replace(clip, texts=clip.texts[:1]) for clip in tiny_clips(NUM_CLIPS)]
    path = tmp_path_factory.mktemp("run")
    run = tiny_run(num_steps=40, batch_size=NUM_CLIPS, learning_rate=8e-3, augment=False, seed=1)
    half_hidden = change(change(run.model, "video", mask_share=0.5), "audio", mask_share=0.5)
    pretrain(dataclasses.replace(run, model=half_hidden), MemoryClips({"train": clips}), path)
    model, tokenizer, config = load_model(path)
    fresh, batch = build_model(config, tokenizer), make_batch(clips, config.model, tokenizer)
    fresh.calibrate(batch)
    terms = [{n: t.item() for n, t in each(batch, generator(9)).terms.items()} for each in (fresh, model)]
    return Learned(fresh, model, batch, *terms)


def test_every_term_of_the_loss_falls(learned):
    assert [name for name, value in learned.before.items() if not learned.after[name] < value] == []


def test_what_is_hidden_is_rebuilt_better_than_by_its_mean(learned):
    """1 is the loss of always saying the mean of a patch; ln 150 that of any word being as likely."""
    assert learned.after["local_video"] < 1
    assert learned.after["local_audio"] < 0.9
    assert learned.after["local_text"] < 0.85 * math.log(150)


def test_the_contrast_falls_below_that_of_a_collapsed_model(learned):
    for name in NAMES:
        assert learned.after[f"global_contrast_audio_{name}"] < 0.75 * 2 * math.log(NUM_CLIPS), name


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_finds_its_own(learned, name):
    assert accuracy(learned.fresh, learned.batch, name) < 3 * CHANCE
    assert accuracy(learned.model, learned.batch, name) > 4 * CHANCE


@pytest.mark.parametrize("name", NAMES)
def test_a_collapsed_model_would_be_found(learned, name):
    """A model that gives every clip the same vector scores chance, not more by the order of its ties."""
    collapsed = copy.deepcopy(learned.model)
    with torch.no_grad():
        collapsed.encoder.towers["video_audio_text"].norm.weight.zero_()
        collapsed.encoder.towers["video_audio_text"].norm.bias.fill_(1.0)
    assert accuracy(collapsed, learned.batch, name) == pytest.approx(CHANCE)
