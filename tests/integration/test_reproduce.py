"""A table of the paper by one command, at a size of seconds: whole, kept, resumed, and refused when it would mix."""

import json
from collections import Counter

import pytest
from command_lines import call

from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.data.world.rendered import WorldClips
from vlsa.pretrain import loop

SETTINGS = " ".join(
    f"--set {setting}"
    for setting in (
        "train.batch_size=8",
        "train.cache_gib=0.1",
        "model.video.size_px=16",
        "model.video.patch_px=8",
        "model.video.num_frames=2",
        "model.encoder.width=32",
        "model.encoder.num_layers=1",
        "model.encoder.num_heads=2",
        "model.decoder.width=32",
        "model.decoder.num_heads=2",
    )
)
DATA = "--data world:train=16,test=12,px=16 --finetune-data world:train=8,test=0,first=900,px=16"
OPTIONS = f"{DATA} --seeds 2 --budget-steps 2 --epochs 1 --batch-size 8 {SETTINGS}"


@pytest.fixture(scope="module")
def counts() -> Counter:
    """How often data was opened, a vocabulary learned and a run trained for the table in `out`."""
    return Counter()


@pytest.fixture(scope="module")
def out(tmp_path_factory, counts):
    folder = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((WorldClips, "__init__"), (Tokenizer, "train"), (loop, "pretrain")):
            patch.setattr(owner, name, counted(getattr(owner, name), name, counts))
        result = call(f"vlsa reproduce table5 --out {folder} {OPTIONS}")
    assert result.exit_code == 0, result.output
    return folder


def counted(original, name, counts):
    """A function that counts its calls under a name."""

    def call_original(*arguments, **options):
        counts[name] += 1
        return original(*arguments, **options)

    return call_original


def test_a_table_a_picture_and_the_numbers_are_written(out):
    text = (out / "table5.md").read_text(encoding="utf-8")
    for label in ("| neither |", "| LPMM |", "| GAM |", "| LPMM + GAM |", "| chance |"):
        assert label in text
    assert "the paper's order, LPMM + GAM > GAM > LPMM > neither, " in text
    facts = json.loads((out / "table5.json").read_text(encoding="utf-8"))
    assert set(facts["cells"]["fine-tuned"]) == {"neither", "lpmm-only", "gam-only", "full"}
    assert set(facts["cells"]["zero-shot"]) == {"lpmm-only", "gam-only", "full"}
    assert len(facts["cells"]["fine-tuned"]["full"]["text_to_video"]["r1"]["seeds"]) == 2
    assert (out / "table5.png").read_bytes().startswith(b"\x89PNG")


def test_data_is_opened_and_the_vocabulary_learned_once_and_each_run_trained_once(out, counts):
    """A table of 4 arms is 2 data sets, 1 vocabulary, and for each of 2 seeds 3 pre-trainings and 4 fine-tunings."""
    assert counts == {"__init__": 2, "train": 1, "pretrain": 2 * 7}


def test_finished_runs_are_kept_and_what_is_missing_is_made_again(out):
    kept = out / "runs" / "full" / "seed-1" / "zero-shot.json"
    lost = out / "runs" / "gam-only" / "seed-0" / "fine-tuned.json"
    stamp, before = kept.stat().st_mtime_ns, json.loads(lost.read_text(encoding="utf-8"))["directions"]
    lost.unlink()
    result = call(f"vlsa reproduce table5 --out {out} {OPTIONS}")
    assert result.exit_code == 0, result.output
    assert "1 of 1: GAM, seed 0, fine-tuned" in result.stderr
    assert kept.stat().st_mtime_ns == stamp
    assert json.loads(lost.read_text(encoding="utf-8"))["directions"] == before


def test_another_table_of_the_folder_shares_the_runs_and_maps_pairs(out):
    result = call(f"vlsa reproduce figure5 --out {out} {OPTIONS.replace('--seeds 2', '--seeds 1')}")
    assert result.exit_code == 0, result.output
    assert "LPMM + GAM, seed 0" not in result.stderr
    assert "LPMM + VTM, seed 0, fine-tuned" in result.stderr
    assert "alignment" in (out / "figure5.md").read_text(encoding="utf-8")
    assert (out / "figure5_pairs.png").exists()


@pytest.mark.parametrize(("name", "part"), [("figure3", "encoder"), ("figure4", "decoder")])
def test_each_sharing_is_trained_and_fine_tuned(out, name, part):
    result = call(f"vlsa reproduce {name} --out {out} {OPTIONS.replace('--seeds 2', '--seeds 1')}")
    assert result.exit_code == 0, result.output
    text = (out / f"{name}.md").read_text(encoding="utf-8")
    for label in ("A+V+T", "V+T", "A+T", "A+V", "none"):
        assert text.count(f"| {label} |") == 4  # two stages, two directions
    assert (out / "runs" / f"{part}-none" / "seed-0" / "fine-tuned.json").exists()


def test_controls_put_the_wrong_sound_beside_the_right_one(out):
    result = call(f"vlsa reproduce controls --out {out} {OPTIONS.replace('--seeds 2', '--seeds 1')}")
    assert result.exit_code == 0, result.output
    right, wrong = (
        json.loads((out / "runs" / "full" / "seed-0" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("zero-shot", "wrong-sound")
    )
    text = (out / "controls.md").read_text(encoding="utf-8")
    assert (
        "text → video: LPMM + GAM loses, in percentage points of R@1 / 5 / 10: +0.0 / +0.0 / +0.0 with the audio"
        in text
    )
    assert right["directions"]["text_to_video"]["meanr"] == wrong["directions"]["text_to_video"]["meanr"]
    assert right["directions"]["text_to_audio"]["meanr"] != wrong["directions"]["text_to_audio"]["meanr"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("--epochs 1", "--epochs 2"), "holds runs of another experiment (epochs 1 -> 2)"),
        (("--seeds 2", "--seeds 0"), "--seeds 0: must be at least 1"),
        (("--budget-steps 2", "--budget-steps 0"), "--budget-steps 0: must be at least 1"),
        (("--batch-size 8", "--batch-size 0"), "--batch-size 0: must be at least 1"),
        (("table5", "tabel5"), "no such table or figure. Did you mean table5?"),
        ((DATA, ""), "no --data"),
        (("--epochs 1", "--epochs 1 --recipe tiny/gam-only"), "Give the recipe alone: --recipe tiny."),
        (("first=900,px=16", "first=900,px=16,seed=1"), "have different seeds"),
        (("--epochs 1", "--epochs 1 --set train.init=vit"), "each arm is initialised from its seed"),
        (("--epochs 1", "--epochs 1 --set train.seed=5"), "this one would be ignored"),
        (("--seeds 2", "--seeds 1000000000"), "would never end"),
        (("--batch-size 8", "--batch-size 1"), "nothing would be learned"),
        (("--epochs 1", "--epochs 1 --vocabulary nowhere.txt"), "nowhere.txt: not a readable vocabulary"),
        (("--epochs 1", "--epochs 1 --benchmark msrvt"), "Did you mean msrvtt?"),
        (
            ("--epochs 1", "--epochs 1 --pair text-vide"),
            "--pair text-vide: no such pair of modalities. Did you mean text-video?",
        ),
    ],
)
def test_a_mistake_is_one_line_and_loses_nothing(out, change, says):
    before = (out / "table5.md").read_bytes()
    result = call(f"vlsa reproduce table5 --out {out} {OPTIONS}".replace(*change))
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert (out / "table5.md").read_bytes() == before


def test_a_split_without_clips_is_told_before_anything_is_trained(tmp_path):
    result = call(f"vlsa reproduce table5 --out {tmp_path / 'new'} {OPTIONS} --evaluate-data world:train=16,test=1")
    assert result.exit_code == 2
    assert "split test holds fewer than two clips" in result.stderr
    assert not (tmp_path / "new").exists()


def test_other_data_may_be_evaluated_and_an_older_plan_goes_on(tmp_path):
    """The paper pre-trains on one data set and measures on another."""
    line = f"vlsa reproduce options --out {tmp_path} {OPTIONS.replace('--seeds 2', '--seeds 1')}"
    measured = f"{line} --evaluate-data world:train=0,test=9,px=16"
    result = call(measured)
    assert result.exit_code == 0, result.output
    assert "split test of world:train=0,test=9,px=16" in result.stdout
    assert "N = 9, Q = 9" in result.stdout
    refused = call(line)
    assert refused.exit_code == 2
    assert "another experiment (evaluate_data world:train=0,test=9,px=16 -> )" in refused.stderr
    plan = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    del plan["evaluate_data"]
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    assert call(measured).exit_code == 2
    assert call(line).exit_code == 0


def test_a_wrong_pair_is_told_before_anything_is_trained(tmp_path):
    result = call(f"vlsa reproduce table5 --out {tmp_path / 'new'} {OPTIONS} --pair text-vide")
    assert result.exit_code == 2
    assert "Did you mean text-video?" in result.stderr
    assert not (tmp_path / "new").exists()


def test_the_cost_table_needs_no_data(tmp_path):
    result = call(f"vlsa reproduce table7 --out {tmp_path} --batch-size 2 {SETTINGS}")
    assert result.exit_code == 0, result.output
    assert "156 M" in result.stdout
    assert (tmp_path / "table7.json").exists()


def test_rows_that_a_setting_makes_one_are_told_before_anything_is_trained(tmp_path):
    line = f"vlsa reproduce figure3 --out {tmp_path / 'new'} {OPTIONS} --set model.encoder.shared=none"
    result = call(line)
    assert result.exit_code == 2
    assert "A+V+T and V+T have the same settings" in result.stderr
    assert not (tmp_path / "new").exists()


def _half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _without_chance(path):
    facts = json.loads(path.read_text(encoding="utf-8"))
    del facts["directions"]["text_to_video"]["chance"]
    path.write_text(json.dumps(facts), encoding="utf-8")


def _of_other_clips(path):
    facts = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(facts | {"data_digest": "0" * 16}), encoding="utf-8")


@pytest.mark.parametrize("spoil", [_half, _without_chance, _of_other_clips])
def test_results_that_are_spoilt_are_told_before_what_is_missing_is_trained(out, spoil):
    path = out / "runs" / "lpmm-only" / "seed-1" / "zero-shot.json"
    missing = out / "runs" / "full" / "seed-1" / "zero-shot.json"
    whole, before = path.read_bytes(), missing.read_bytes()
    missing.unlink()
    spoil(path)
    try:
        result = call(f"vlsa reproduce table5 --out {out} {OPTIONS}")
    finally:
        path.write_bytes(whole)
        missing.write_bytes(before)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert str(path) in result.stderr
    assert "the same command makes it again" in result.stderr


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[]", b"\xff", b""])
def test_a_plan_that_is_none_is_told(out, content):
    plan = (out / "plan.json").read_bytes()
    (out / "plan.json").write_bytes(content)
    try:
        result = call(f"vlsa reproduce table5 --out {out} {OPTIONS}")
    finally:
        (out / "plan.json").write_bytes(plan)
    assert result.exit_code == 2
    assert "not a plan" in result.stderr
