"""The training loop: what it writes, when it stops, what it refuses; for resuming see integration/test_resume.py."""

import dataclasses
import logging
import math
import signal
import threading

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import change, make_batch, plain_clip, tiny_clips, tiny_config, tiny_run, tiny_source, tiny_store

from vlsa.base.errors import CheckpointError, StoreError, VlsaError
from vlsa.data.clip import Clip
from vlsa.data.loading.loader import MemoryClips, fingerprint
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.data.world.rendered import WorldClips, WorldSpec
from vlsa.model.types import Losses
from vlsa.model.vlsa import VLSA
from vlsa.pretrain import loop
from vlsa.pretrain.checkpoint import checkpoints, load_model
from vlsa.pretrain.loop import build_optimizer, pretrain, step_generator, train_step
from vlsa.pretrain.metrics_log import only_writer, read_metrics


def weights(path) -> dict[str, torch.Tensor]:
    return load_model(path)[0].state_dict()


# --- a run


def test_a_run_writes_checkpoints_and_metrics_and_reports(tmp_path):
    told = []
    summary = pretrain(tiny_run(num_steps=12), tiny_source(), tmp_path, report=lambda *step: told.append(step))
    assert summary.finished
    assert (summary.step, summary.num_steps, summary.resumed_from) == (12, 12, 0)
    assert summary.seconds > 0
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000010", "step-00000012"]
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 10, 12]
    assert [(step, total) for step, total, _ in told] == [(1, 12), (10, 12), (12, 12)]
    assert told[-1][2] == summary.metrics
    assert {
        "loss",
        "local_video",
        "global_match_audio_text",
        "learning_rate",
        "gradient_norm",
    } <= summary.metrics.keys()
    assert 0 <= summary.metrics["data_wait_share"] <= 1


def test_a_finished_run_is_left_as_it_is(tmp_path):
    pretrain(tiny_run(num_steps=2), tiny_source(), tmp_path)
    before = weights(tmp_path)
    summary = pretrain(tiny_run(num_steps=2), tiny_source(), tmp_path)
    assert summary.finished
    assert summary.resumed_from == 2
    assert all(torch.equal(before[name], value) for name, value in weights(tmp_path).items())


def test_the_vocabulary_is_trained_on_the_training_texts_and_its_size_saved(tmp_path):
    source = MemoryClips({"train": tiny_clips(6), "test": [plain_clip(texts=("zzyzx",))]})
    pretrain(tiny_run(num_steps=1), source, tmp_path)
    _, tokenizer, config = load_model(tmp_path)
    assert config.model.text.vocabulary_size == tokenizer.vocabulary_size <= 150
    assert tokenizer.to_json() == Tokenizer.train(source.texts("train"), 150).to_json()


def test_a_given_tokenizer_is_used(tmp_path, tokenizer):
    pretrain(tiny_run(num_steps=1), tiny_source(), tmp_path, tokenizer=tokenizer)
    assert load_model(tmp_path)[1].to_json() == tokenizer.to_json()


def test_clips_without_any_words_train_picture_against_sound(tmp_path):
    clips = [dataclasses.replace(clip, texts=()) for clip in tiny_clips(5)]
    summary = pretrain(tiny_run(num_steps=1), MemoryClips({"train": clips}), tmp_path)
    (line,) = read_metrics(tmp_path)
    assert not {"local_text", "global_contrast_audio_text", "global_match_audio_text"} & line.keys()  # none is perfect
    assert math.isnan(summary.metrics["local_text"])
    assert summary.metrics["global_contrast_audio_video"] > 0


def test_held_out_scores_come_at_their_steps_beside_the_losses(tmp_path):
    asked = []

    def evaluator(model, tokenizer):
        asked.append((type(model), type(tokenizer)))
        return {"text_to_video/r10": 0.25}

    pretrain(tiny_run(num_steps=5, evaluate_every_steps=2), tiny_source(), tmp_path, evaluator=evaluator)
    assert asked == [(VLSA, Tokenizer)] * 2
    assert [line["step"] for line in read_metrics(tmp_path) if "text_to_video/r10" in line] == [2, 4]


@pytest.mark.parametrize(("num_held_out", "reason"), [(1, "neither split val nor test holds two"), (2, "this command")])
def test_evaluations_that_nothing_would_make_are_said(tmp_path, caplog, num_held_out, reason):
    source = MemoryClips({"train": tiny_clips(5), "test": tiny_clips(num_held_out, split="test")})
    pretrain(tiny_run(num_steps=1, evaluate_every_steps=1), source, tmp_path / "asked")
    (said,) = [message for message in caplog.messages if "train.evaluate_every_steps=1: no scores" in message]
    assert reason in said
    caplog.clear()
    pretrain(tiny_run(num_steps=1), source, tmp_path / "not_asked")
    pretrain(tiny_run(num_steps=1, evaluate_every_steps=1), source, tmp_path / "made", evaluator=lambda *_: {})
    assert "evaluate_every_steps" not in caplog.text


def test_too_few_clips_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(StoreError, match="3 clips in split train"):
        pretrain(tiny_run(), tiny_source(3), tmp_path / "run")
    assert not (tmp_path / "run").exists()


# --- a step


def make_trainer(tokenizer, **train) -> loop.Trainer:
    config = tiny_run(**train)
    model = loop.checkpoint.build_model(config, tokenizer)
    return loop.Trainer(config, model, tokenizer, build_optimizer(model, config), "data")


def test_the_rate_of_an_update_is_the_schedule_s(tokenizer, batch):
    trainer = make_trainer(tokenizer, num_steps=10, warmup_steps=4, learning_rate=1e-3)
    trainer.step = 2
    train_step(trainer, batch)
    assert [group["lr"] for group in trainer.optimizer.param_groups] == pytest.approx([0.75e-3, 0.75e-3])


@pytest.mark.parametrize("limit", [0.01, 0.0])
def test_the_gradient_is_clipped_to_the_limit_and_0_is_no_limit(tokenizer, batch, limit):
    trainer = make_trainer(tokenizer, gradient_clip=limit)
    _, norm = train_step(trainer, batch)
    gradients = [p.grad for p in trainer.model.parameters() if p.grad is not None]
    after = torch.nn.utils.get_total_norm(gradients)
    assert after.item() == pytest.approx(limit or norm.item(), rel=1e-3)
    assert norm > 0.05


def test_only_matrices_are_decayed(tokenizer):
    decayed, plain = make_trainer(tokenizer, weight_decay=0.3).optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.3, 0.0)
    assert {parameter.ndim for parameter in decayed["params"]} == {2}
    assert all(parameter.ndim < 2 for parameter in plain["params"])


def test_every_trained_parameter_is_updated(tokenizer, batch):
    trainer = make_trainer(tokenizer, warmup_steps=0)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    train_step(trainer, batch)
    still = [name for name, p in trainer.model.named_parameters() if torch.equal(before[name], p)]
    assert still == ["matching.log_scale"]


def test_the_masks_of_a_step_follow_from_seed_and_step_alone():
    draws = {
        (seed, step): torch.rand(4, generator=step_generator(seed, step)) for seed in (0, 1) for step in (0, 1, 10)
    }
    assert len({tuple(values.tolist()) for values in draws.values()}) == 6
    assert torch.equal(draws[1, 10], torch.rand(4, generator=step_generator(1, 10)))


@pytest.mark.parametrize(
    ("objective", "train"),
    [
        ({"hard_negatives": True, "contrast": "sigmoid", "learn_temperature": True, "pooling": "token"}, {}),
        ({"matching_attention": "joint", "pairs": ("video-text",)}, {}),
        ({"global_weight": 0.0}, {}),
        ({"local_weight": 0.0}, {"sound_shift_seconds": 1.0}),
    ],
    ids=["options", "joint", "lpmm", "shifted"],
)
def test_a_run_that_was_stopped_ends_with_the_same_bits_under_every_option(tmp_path, monkeypatch, objective, train):
    run = tiny_run(num_steps=4, checkpoint_every_steps=1, **train)
    run = dataclasses.replace(run, model=tiny_config(**objective))
    pretrain(run, tiny_source(), tmp_path / "whole")

    def stop_in_the_third(trainer, batch):
        if trainer.step == 2:
            raise RuntimeError("stopped")
        return train_step(trainer, batch)

    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(loop, "train_step", stop_in_the_third)
        pretrain(run, tiny_source(), tmp_path / "cut")
    assert pretrain(run, tiny_source(), tmp_path / "cut").resumed_from == 2
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(one[name], other[name]) for name in one)


# --- what it refuses


@pytest.mark.parametrize("what", ["fewer", "texts", "sound"])
def test_a_resume_with_other_clips_is_refused(begun, what):
    clips = tiny_clips(10)
    if what == "fewer":
        clips = clips[:9]
    elif what == "texts":
        clips[3] = dataclasses.replace(clips[3], texts=("another text",))
    else:
        clips[3] = dataclasses.replace(clips[3], sound=None, sample_rate_hz=None)
    with pytest.raises(CheckpointError, match=r"trained on other clips than these; .* or another --out"):
        pretrain(tiny_run(num_steps=2), MemoryClips({"train": clips}), begun)


def test_clips_that_lack_a_modality_are_told_as_other_clips_and_not_as_other_settings(tmp_path):
    """Without captions the pairs of text are left out; the settings that were asked for are the same."""
    config = tiny_run(num_steps=2)
    model = change(config.model, "objective", heads="pair", pairs=("audio-video", "audio-text"))
    config = dataclasses.replace(config, model=model)
    pretrain(config, tiny_source(), tmp_path)
    wordless = [dataclasses.replace(clip, texts=()) for clip in tiny_clips(10)]
    with pytest.raises(CheckpointError, match="trained on other clips than these"):
        pretrain(config, MemoryClips({"train": wordless}), tmp_path)


def with_other_media(clips: list[Clip], what: str) -> list[Clip]:
    """Clips of the same names, captions and lengths, of which one is of other frames or other audio."""
    frames, sound = clips[3].frames, clips[3].sound
    changed = {"frames": 255 - frames} if what == "frames" else {"sound": -sound}
    return [*clips[:3], dataclasses.replace(clips[3], **changed), *clips[4:]]


@pytest.mark.parametrize("kind", ["memory", "store"])
@pytest.mark.parametrize("what", ["frames", "sound"])
def test_a_resume_with_other_media_under_the_same_names_is_refused(tmp_path, kind, what):
    def source(name: str, clips: list[Clip]):
        return MemoryClips({"train": clips}) if kind == "memory" else tiny_store(tmp_path / name, clips)

    clips = tiny_clips(10)
    pretrain(tiny_run(num_steps=2), source("first", clips), tmp_path / "run")
    with pytest.raises(CheckpointError, match="trained on other clips than these"):
        pretrain(tiny_run(num_steps=2), source("other", with_other_media(clips, what)), tmp_path / "run")
    assert pretrain(tiny_run(num_steps=2), source("again", clips), tmp_path / "run").resumed_from == 2


def test_other_held_out_media_leave_a_run_as_it_is(tmp_path):
    clips, held_out = tiny_clips(10), tiny_clips(1, "test")
    pretrain(tiny_run(num_steps=2), tiny_store(tmp_path / "first", clips, held_out), tmp_path / "run")
    held_out[0] = dataclasses.replace(held_out[0], sound=-held_out[0].sound)
    assert pretrain(tiny_run(num_steps=2), tiny_store(tmp_path / "other", clips, held_out), tmp_path / "run").finished


def test_a_made_world_of_another_size_is_another_data_set():
    first, other, more = (WorldClips(WorldSpec(train=4, **spec)) for spec in ({}, {"px": 32}, {"test": 3}))
    assert fingerprint(first) == fingerprint(more) != fingerprint(other)


def test_a_run_recorded_before_content_was_digested_resumes_with_a_note(begun, caplog):
    path = checkpoints(begun)[-1] / "training.safetensors"
    with safe_open(path, "pt") as file:
        header = dict(file.metadata())
    recorded = "efc6063891c91585"  # by vlsa 0.3.0, of these clips
    assert header["data"].startswith(f"{recorded}-")
    save_file(load_file(path), path, header | {"data": recorded})
    with caplog.at_level(logging.INFO, logger="vlsa"):
        assert pretrain(tiny_run(num_steps=2), tiny_source(), begun).resumed_from == 2
    assert "recorded by an earlier vlsa, without the content of its clips" in caplog.text
    with pytest.raises(CheckpointError, match="trained on other clips"):
        pretrain(tiny_run(num_steps=2), tiny_source(9), begun)


def test_two_processes_do_not_train_one_run(tmp_path):
    with only_writer(tmp_path), pytest.raises(CheckpointError, match="another process is training this run") as caught:
        pretrain(tiny_run(), tiny_source(), tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert pretrain(tiny_run(num_steps=1), tiny_source(), tmp_path).finished


def test_a_run_that_another_process_finished_meanwhile_is_not_written_over(tmp_path, monkeypatch):
    start = loop._start

    def slowly(*facts):
        monkeypatch.setattr(loop, "_start", start)
        pretrain(tiny_run(num_steps=2), tiny_source(), tmp_path)  # the other one
        return start(*facts)

    monkeypatch.setattr(loop, "_start", slowly)
    with pytest.raises(CheckpointError, match="another process trained this run meanwhile"):
        pretrain(tiny_run(num_steps=2), tiny_source(), tmp_path)
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 2]
    assert pretrain(tiny_run(num_steps=2), tiny_source(), tmp_path).resumed_from == 2


def test_held_out_clips_do_not_belong_to_the_fingerprint():
    more = MemoryClips({"train": tiny_clips(3), "test": tiny_clips(2, "test")})
    assert fingerprint(more) == fingerprint(tiny_source(3))


def test_a_damaged_checkpoint_stops_the_resume_with_the_way_back(begun):
    path = checkpoints(begun)[-1] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="Delete the folder"):
        pretrain(tiny_run(num_steps=2), tiny_source(), begun)


@pytest.mark.parametrize("spoilt", ["loss", "gradient"])
def test_a_loss_that_is_no_number_stops_at_its_step_with_its_clips_and_is_not_saved(tmp_path, monkeypatch, spoilt):
    batches = []
    step = VLSA.step

    def spoil(self, batch, noise):
        losses = step(self, batch, noise)
        batches.append(batch.ids)
        if len(batches) != 5:
            return losses
        zero = self.embedding.modality.sum() * 0
        poison = zero * math.nan if spoilt == "loss" else zero.sqrt()  # the root of 0 is 0, its slope is not a number
        return Losses(losses.total + poison, losses.terms)

    monkeypatch.setattr(VLSA, "step", spoil)
    with pytest.raises(VlsaError, match=r"^step 5: .*lower train\.learning_rate in a new run\.$") as caught:
        pretrain(tiny_run(num_steps=30, checkpoint_every_steps=1), tiny_source(), tmp_path)
    assert all(clip_id in str(caught.value) for clip_id in batches[-1])
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000003", "step-00000004"]
    assert all(value.isfinite().all() for value in weights(tmp_path).values())


# --- Ctrl-C


def interrupt(times: int = 1):
    def report(*_):
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)

    return report


def test_ctrl_c_ends_after_the_step_in_hand_with_a_checkpoint(tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    summary = pretrain(tiny_run(checkpoint_every_steps=100), tiny_source(), tmp_path, report=interrupt())
    assert not summary.finished
    assert summary.step == 1
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000001"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tiny_run(), tiny_source(), tmp_path, report=interrupt(times=2))
    assert signal.getsignal(signal.SIGINT) is handler


def test_training_in_a_thread_leaves_signals_to_their_owner(tmp_path):
    done = []
    thread = threading.Thread(target=lambda: done.append(pretrain(tiny_run(num_steps=1), tiny_source(), tmp_path)))
    thread.start()
    thread.join()
    assert done[0].finished


def test_the_scales_of_the_inputs_come_from_the_first_batch_and_stay(tmp_path, monkeypatch):
    pretrain(tiny_run(num_steps=4), tiny_source(), tmp_path, report=interrupt())
    first = weights(tmp_path)
    assert not torch.equal(first["sound_scale"], torch.tensor([0.0, 1.0]))
    monkeypatch.setattr(VLSA, "calibrate", None)  # a resumed run must not call it
    assert pretrain(tiny_run(num_steps=4), tiny_source(), tmp_path).finished
    assert torch.equal(weights(tmp_path)["sound_scale"], first["sound_scale"])


def test_a_trained_model_answers_in_the_same_words(tmp_path):
    """What is loaded encodes as what was trained: settings, tokenizer and scales all travel."""
    kept = []
    config = tiny_run(num_steps=2, evaluate_every_steps=2)
    pretrain(config, tiny_source(), tmp_path, evaluator=lambda *parts: kept.append(parts) or {})
    model, tokenizer = kept[0]
    loaded, loaded_tokenizer, _ = load_model(tmp_path)
    clips = tiny_clips(3)
    before = model.globals(make_batch(clips, tiny_config(), tokenizer)).vectors
    after = loaded.globals(make_batch(clips, tiny_config(), loaded_tokenizer)).vectors
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_captions_that_lose_their_end_are_counted_once(tmp_path, caplog):
    run = tiny_run(num_steps=2)
    text = dataclasses.replace(run.model.text, num_tokens=6)
    source = tiny_source(4)
    captions = list(source.texts("train"))
    with caplog.at_level(logging.INFO, "vlsa"):
        loop.pretrain(dataclasses.replace(run, model=dataclasses.replace(run.model, text=text)), source, tmp_path)
    expected = f"{len(captions)} of {len(captions)} captions are longer than model.text.num_tokens=6 tokens"
    assert all(len(caption.split()) > 4 for caption in captions)  # all do, at a word a token or less
    assert [message for message in caplog.messages if "lose" in message] == [f"{expected} and lose their end"]
