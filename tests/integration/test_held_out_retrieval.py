"""A small model trained on one part of the made world retrieves clips of another part that it never saw."""

import dataclasses

import pytest
from tiny import change, tiny_clips, tiny_run

from vlsa.data.loading.loader import MemoryClips
from vlsa.pretrain.loop import pretrain
from vlsa.retrieve.encode.embed import ClipEmbeddings, embed_store
from vlsa.retrieve.encode.encoders import load
from vlsa.retrieve.evaluate.directions import evaluate_embeddings

NUM_TRAIN, NUM_TEST, NUM_STEPS = 192, 60, 150
CHANCE = 10 / NUM_TEST
"""Recall at 10 of a model that knows nothing."""


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory) -> ClipEmbeddings:
    """Held-out clips: combinations of facts that no training clip has."""
    clips = MemoryClips({"train": tiny_clips(NUM_TRAIN), "test": tiny_clips(NUM_TEST, "test")})
    run = tiny_run(NUM_STEPS, 48, learning_rate=4e-3, warmup_steps=20, seed=1, checkpoint_every_steps=NUM_STEPS)
    model = change(run.model, "audio", mask_share=0.5)
    model = change(model, "encoder", num_layers=1, width=64, fusion_layers=1)
    model = change(model, "objective", local_weight=0.0, pairs=("audio-text",))
    path = tmp_path_factory.mktemp("run")
    pretrain(dataclasses.replace(run, model=model), clips, path)
    return embed_store(load(path, "cpu"), clips, "test")


def recall_at_10(embeddings: ClipEmbeddings, direction: str) -> float:
    return evaluate_embeddings(embeddings, num_resamples=0)[direction].scores.recall[10]


@pytest.mark.parametrize("direction", ["text_to_audio", "audio_to_text"])
def test_text_and_audio_of_unseen_clips_find_each_other(embeddings, direction):
    assert recall_at_10(embeddings, direction) > 2 * CHANCE


def test_with_the_audio_of_other_clips_it_scores_chance(embeddings):
    """The control: shifting the audio vectors by one clip leaves nothing to find."""
    shifted = dataclasses.replace(embeddings, audio=embeddings.audio[[*range(1, NUM_TEST), 0]])
    assert recall_at_10(shifted, "text_to_audio") < 1.8 * CHANCE
