"""Fine-tuning: the pre-trained weights go on with contrast alone, in a run of their own, and resume exactly."""

import dataclasses
import hashlib

import pytest
import torch
from tiny import tiny_clips, tiny_run, tiny_source, tiny_store

from vlsa.base.errors import ConfigError
from vlsa.config.recipes import recipe
from vlsa.pretrain import sharded_files, start
from vlsa.pretrain.checkpoint import MODEL_FILE, checkpoints, load_model
from vlsa.pretrain.finetune import batch_size_of, changed, finetune_config, pairs_of, start_from
from vlsa.pretrain.loop import pretrain
from vlsa.pretrain.metrics_log import read_metrics
from vlsa.retrieve.evaluate.evaluate import held_out_evaluator

PAIRS = ("video-text", "audio-text")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    pretrain(tiny_run(num_steps=2), tiny_source(), path)
    return path


def config_from(pretrained, num_epochs=2, batch_size=4):
    name, tokenizer, config, initialise = start_from(pretrained)
    model, _, _ = load_model(pretrained)
    config = finetune_config(config, 10, PAIRS, num_epochs=num_epochs, batch_size=batch_size)
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, init=(name,)))
    return config, {"tokenizer": tokenizer, "initialise": initialise}, model


def test_the_defaults_are_the_paper_s():
    train = finetune_config(recipe("paper"), 9000, PAIRS).train
    assert train.batch_size == 256
    assert train.num_steps == 20 * (9000 // 256)


def test_contrast_alone_is_left_and_nothing_is_masked(pretrained):
    config, *_ = config_from(pretrained)
    objective = config.model.objective
    assert (objective.local_weight, objective.matching_weight, objective.pairs) == (0, 0, PAIRS)
    assert {config.model.video.mask_share, config.model.audio.mask_share, config.model.text.mask_share} == {0}


def test_it_starts_from_the_pre_trained_weights_and_scales(pretrained, tmp_path):
    config, how, before = config_from(pretrained)
    slow = dataclasses.replace(config, train=dataclasses.replace(config.train, learning_rate=1e-12, weight_decay=0.0))
    pretrain(slow, tiny_source(), tmp_path, **how)
    after, state = load_model(tmp_path)[0], before.state_dict()
    for name, weight in after.state_dict().items():
        torch.testing.assert_close(weight, state[name], atol=1e-6, rtol=0)
    assert after.decoder is None
    assert before.decoder is not None


def test_one_checkpoint_is_read_once_though_the_run_saves_a_newer_one_meanwhile(tmp_path, monkeypatch):
    pretrain(tiny_run(num_steps=2, checkpoint_every_steps=1), tiny_source(), tmp_path / "run")
    before, newer = checkpoints(tmp_path / "run")
    newer.rename(tmp_path / "newer")
    read, asked, started = sharded_files.read, [], []

    def read_while_training(path, *how):
        asked.append(path)
        found = read(path, *how)
        if not newer.exists():
            (tmp_path / "newer").rename(newer)
        return found

    def train(config, *_, **how):
        started.append((config, how["tokenizer"]))
        raise KeyboardInterrupt

    monkeypatch.setattr(sharded_files, "read", read_while_training)
    monkeypatch.setattr(start, "train", train)
    how = {"pairs": ["text-video"], "num_epochs": 1, "batch_size": 8}
    with pytest.raises(KeyboardInterrupt):
        start.finetune(tmp_path / "run", "world:train=8,test=0,px=16", tmp_path / "fine", **how)
    ((config, tokenizer),) = started
    assert asked == [before / MODEL_FILE]
    assert config.train.init == (f"vlsa:{hashlib.sha256((before / MODEL_FILE).read_bytes()).hexdigest()[:16]}",)
    assert tokenizer.to_json() == load_model(before)[1].to_json()


def test_the_terms_are_the_contrasts_of_the_asked_pairs(pretrained, tmp_path):
    config, how, _ = config_from(pretrained)
    metrics = pretrain(config, tiny_source(), tmp_path, **how).metrics
    assert {name for name in metrics if name.startswith(("local", "global"))} == {
        "global_contrast_video_text",
        "global_contrast_audio_text",
    }


def test_it_goes_on_exactly_and_refuses_other_first_weights(pretrained, tmp_path):
    config, how, _ = config_from(pretrained)
    pretrain(config, tiny_source(), tmp_path / "whole", **how)
    stopped = dataclasses.replace(config, train=dataclasses.replace(config.train, checkpoint_every_steps=1))
    calls = []

    def stop(step, num_steps, metrics):
        calls.append(step)
        if len(calls) == 2:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        pretrain(stopped, tiny_source(), tmp_path / "cut", report=stop, **how)
    summary = pretrain(stopped, tiny_source(), tmp_path / "cut", **how)
    assert 0 < summary.resumed_from < summary.num_steps
    one, other = (load_model(tmp_path / name)[0].state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    foreign = dataclasses.replace(config, train=dataclasses.replace(config.train, init=("vlsa:other",)))
    with pytest.raises(ConfigError, match=r"train\.init: "):
        pretrain(foreign, tiny_source(), tmp_path / "whole", **how)


def test_fewer_clips_than_a_batch_and_no_epoch_are_refused():
    with pytest.raises(ConfigError, match="Add --batch-size 10"):
        finetune_config(recipe("tiny"), 10, PAIRS)
    with pytest.raises(ConfigError, match="0 epochs are too few"):
        finetune_config(recipe("tiny"), 1000, PAIRS, num_epochs=0)
    with pytest.raises(ConfigError, match="a batch of 0 has no other clip"):
        finetune_config(recipe("tiny"), 1000, PAIRS, batch_size=0)


def test_a_batch_of_one_clip_teaches_nothing_and_is_refused():
    with pytest.raises(ConfigError, match="nothing would be learned"):
        finetune_config(recipe("tiny"), 1000, PAIRS, batch_size=1)
    with pytest.raises(ConfigError, match=r"a whole batch\. Add clips\.$"):  # and not --batch-size 1
        finetune_config(recipe("tiny"), 1, PAIRS, batch_size=8)


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("train.init=[]", "the weights are those of RUN"),
        ("train.init=elsewhere", "the weights are those of RUN"),
        ("train.batch_size=1", "nothing would be learned"),
    ],
)
def test_a_setting_that_would_lie_about_the_run_or_empty_it_is_refused(pretrained, assignment, says):
    config, *_ = config_from(pretrained)
    with pytest.raises(ConfigError, match=says):
        changed(config, [assignment])
    assert changed(config, ["train.learning_rate=0.5"]).train.learning_rate == 0.5


def test_a_batch_size_of_set_keeps_the_epochs(pretrained):
    config = start_from(pretrained)[2]
    asked = ["batch_size=64"]
    size = batch_size_of(config, asked, 256)
    tuned = changed(finetune_config(config, 1000, PAIRS, num_epochs=20, batch_size=size), asked)
    assert (tuned.train.batch_size, tuned.train.num_steps, tuned.train.warmup_steps) == (64, 20 * 15, 30)
    assert batch_size_of(config, ["train.learning_rate=0.5"], 256) == 256


def test_a_number_of_steps_of_set_has_its_own_warm_up(pretrained):
    config, *_ = config_from(pretrained)
    assert changed(config, ["num_steps=50"]).train.warmup_steps == 5
    assert changed(config, ["num_steps=50", "warmup_steps=1"]).train.warmup_steps == 1


def test_an_unknown_pair_is_answered_with_the_nearest():
    assert pairs_of(["text-audio", "audio-video", "text-audio"]) == ("audio-text", "audio-video")
    assert pairs_of(["video-text", "text-video"]) == ("video-text",)
    with pytest.raises(ConfigError, match="Did you mean text-video"):
        pairs_of(["text-vide"])


def test_fine_tuning_without_contrast_is_refused(pretrained, tmp_path):
    with pytest.raises(ConfigError, match="contrast is all that it learns"):
        start.finetune(
            pretrained,
            "world:train=8,test=0,px=16",
            tmp_path / "fine",
            pairs=["text-video"],
            num_epochs=1,
            batch_size=8,
            assignments=["model.objective.global_weight=0", "model.objective.local_weight=1"],
        )


@pytest.mark.parametrize("what", ["run", "checkpoint"])
def test_a_run_is_not_fine_tuned_in_its_own_folder(pretrained, what):
    given = pretrained if what == "run" else checkpoints(pretrained)[-1]
    before = sorted(pretrained.rglob("*"))
    with pytest.raises(ConfigError, match=r"^finetune --out .*: is RUN itself; .* Name another --out\.$"):
        start.finetune(
            given, "world:train=8,test=0,px=16", pretrained, pairs=["text-video"], num_epochs=1, batch_size=4
        )
    assert sorted(pretrained.rglob("*")) == before


def test_a_setting_that_changes_nothing_is_told_in_one_line(pretrained, tmp_path, caplog):
    data = tiny_store(tmp_path / "store", tiny_clips(4)).path
    with caplog.at_level("WARNING", logger="vlsa"):
        start.finetune(
            pretrained,
            data,
            tmp_path / "fine",
            pairs=["text-video"],
            num_epochs=1,
            batch_size=4,
            assignments=["hard_negatives=true", "train.seed=1", "sigmoid_bias=-3"],
        )
    (told,) = [record.message for record in caplog.records if "changes nothing" in record.message]
    assert "model.objective.hard_negatives (with model.objective.matching_weight=0)" in told
    assert "model.objective.sigmoid_bias (with model.objective.contrast=softmax)" in told
    assert "train.seed" not in told


def test_heads_are_taken_along_and_a_pair_without_one_is_refused_in_one_line(tmp_path):
    run, heads = (
        tiny_run(num_steps=2),
        {"heads": "pair", "pooling": "attention", "pairs": ("audio-video", "video-text")},
    )
    objective = dataclasses.replace(run.model.objective, **heads)
    run = dataclasses.replace(run, model=dataclasses.replace(run.model, objective=objective))
    pretrain(run, tiny_source(), tmp_path / "run")
    name, tokenizer, pretrained, initialise = start_from(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"--pair text-audio: .* no head .* on --pair audio-video --pair text-video;"):
        finetune_config(pretrained, 10, ("video-text", "audio-text"), num_epochs=1, batch_size=4)
    config = finetune_config(pretrained, 10, ("video-text",), num_epochs=1, batch_size=4)
    train = dataclasses.replace(config.train, init=(name,), learning_rate=1e-12, weight_decay=0.0)
    config = dataclasses.replace(config, train=train)
    pretrain(config, tiny_source(), tmp_path / "fine", tokenizer=tokenizer, initialise=initialise)
    before, after = (load_model(tmp_path / folder)[0] for folder in ("run", "fine"))
    assert after.heads.spaces == ("video-text",)
    for name, weight in after.heads.state_dict().items():
        torch.testing.assert_close(weight, before.heads.state_dict()[name], atol=1e-6, rtol=0)


def test_a_model_of_three_modalities_at_once_is_fine_tuned_on_the_asked_pair(tmp_path):
    config = finetune_config(recipe("tiny/volume"), 96, ("video-text",), batch_size=96)
    assert (config.model.objective.contrast, config.model.objective.pairs) == ("softmax", ("video-text",))
    assert finetune_config(recipe("tiny/sigmoid"), 96, PAIRS, batch_size=96).model.objective.contrast == "sigmoid"


def test_held_out_clips_are_scored_during_fine_tuning_when_asked(pretrained, tmp_path, caplog):
    clips = [*tiny_clips(8), *tiny_clips(3, split="test")]
    tiny_store(tmp_path / "store", clips[:8], clips[8:])
    how = {"pairs": ["text-video"], "num_epochs": 2, "batch_size": 4, "make_evaluator": held_out_evaluator}
    asked = ["train.evaluate_every_steps=2", "train.num_workers=0"]
    start.finetune(pretrained, tmp_path / "store", tmp_path / "fine", assignments=asked, **how)
    scored = [line for line in read_metrics(tmp_path / "fine") if "text_to_video/r10" in line]
    assert [line["step"] for line in scored] == [2, 4]
    assert "evaluate_every_steps" not in caplog.text
