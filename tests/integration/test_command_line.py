"""The whole way through the real commands: the examples of the help, at a small size, on footage with a broken file."""

import contextlib
import json
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from command_lines import call, ended, examples, run, start
from safetensors.numpy import load_file

import vlsa
from vlsa.demo_search import write_questions

NUM_TRAIN, NUM_TEST, NUM_STEPS = 24, 10, 40
SMALL_MODEL = [
    f"train.num_steps={NUM_STEPS}",
    "train.batch_size=8",
    "model.encoder.width=32",
    "model.encoder.num_layers=1",
    "model.encoder.num_heads=2",
    "model.decoder.width=32",
]
SMALLER = {
    "make-world": f" --train {NUM_TRAIN} --test {NUM_TEST} --workers 1",
    "prepare": " --workers 1",
    "pretrain": "".join(f" --set {change}" for change in SMALL_MODEL),
    "evaluate": " --out results.json",
    "index": " --workers 0",
}


def example(command: str) -> str:
    """The first example in a command's help, with what makes it small."""
    return examples(command)[0] + SMALLER[command]


def done(command: str, place: Path) -> str:
    """What an example, run in this process, wrote to stdout."""
    with contextlib.chdir(place):
        result = call(example(command))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("way")


@pytest.fixture(scope="module")
def told(place) -> dict[str, str]:
    """What each command said on stdout; `place` then holds footage, store, run, index and the files to ask with."""
    told = {"make-world": done("make-world", place)}
    (place / "world").rename(place / "footage")
    (place / "footage" / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(2000))
    for command in ("prepare", "pretrain", "evaluate"):
        told[command] = run(example(command), place)[0]
    told["index"] = done("index", place)
    clips = [place / "footage" / "test" / f"0000{n}.mp4" for n in (0, 1, 2)]
    sound, image = write_questions(place / "questions", clips[0], clips[1])
    shutil.copy(sound, place / "ring.wav")
    shutil.copy(image, place / "frame.png")
    shutil.copy(clips[2], place / "clip.mp4")
    return told


def test_each_command_says_what_it_did_and_what_comes_next(told):
    assert f"{NUM_TRAIN} training clips and {NUM_TEST} held out" in told["make-world"]
    assert "Next: vlsa prepare world STORE --recipe tiny" in told["make-world"]
    assert f"({NUM_TRAIN} train, {NUM_TEST} test)" in told["prepare"]
    assert f": finished: {NUM_STEPS} steps" in told["pretrain"]
    assert "Next: vlsa evaluate run --data store" in told["pretrain"]
    assert f"{NUM_TRAIN + NUM_TEST} files, {NUM_TRAIN + NUM_TEST} windows, " in told["index"]


def test_a_broken_file_is_left_out_with_its_reason_and_the_rest_goes_on(told, place):
    assert "Rejected: 1" in told["prepare"]
    assert "Left out: 1" in told["index"]
    for report in ("store/prepare_report.jsonl", "index/index_report.jsonl"):
        lines = [json.loads(line) for line in (place / report).read_text(encoding="utf-8").splitlines()]
        assert [Path(line["path"]).name for line in lines] == ["broken.mp4"]
        assert lines[0]["message"]


def test_the_table_has_twelve_directions_with_chance_beside_them(told, place):
    rows = [line.split() for line in told["evaluate"].splitlines() if "→" in line]
    assert len(rows) == 12
    assert all(row[-2:] == [str(NUM_TEST), str(NUM_TEST)] for row in rows)  # N and Q
    assert "chance" in told["evaluate"]
    assert "R@1/5/10 %" in told["evaluate"]
    results = json.loads((place / "results.json").read_text(encoding="utf-8"))
    assert len(results["directions"]) == 12
    assert results["model"]["recipe"] == "tiny"


def test_evaluate_with_json_gives_the_same_numbers_one_direction_a_line(told, place, monkeypatch):
    monkeypatch.chdir(place)
    lines = [json.loads(line) for line in call("vlsa evaluate run --data store --json").stdout.splitlines()]
    results = json.loads(Path("results.json").read_text(encoding="utf-8"))["directions"]
    assert {line["direction"]: line["r5"] for line in lines} == {name: r["r5"] for name, r in results.items()}


def test_re_rankings_of_a_run_are_tables_of_their_own(told, place, monkeypatch):
    monkeypatch.chdir(place)
    result = call("vlsa evaluate run --data store --post dual-softmax --post sinkhorn --post qb-norm --out post.json")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("→") == 12 + 12 + 12 + 3
    assert "which use all queries: dual-softmax" in result.stdout


def test_a_run_compared_with_itself_differs_in_nothing(told, place, monkeypatch):
    monkeypatch.chdir(place)
    lines = [json.loads(line) for line in call("vlsa compare results.json results.json --json").stdout.splitlines()]
    assert len(lines) == 12 * 5 + 2
    assert {(line["difference"], *line["interval"], line["p"]) for line in lines} == {(0.0, 0.0, 0.0, 1.0)}


@pytest.mark.parametrize("line", examples("search"))
def test_each_example_of_search_answers(line, told, place, monkeypatch):
    monkeypatch.chdir(place)
    (place / "questions.txt").write_text("a bell rings twice\n", encoding="utf-8")
    result = call(line)
    assert result.exit_code == 0, result.output
    assert 0 < result.stdout.count(".mp4") <= (3 if "-k 3" in line else 10)
    if "--export" in line:
        assert (place / "found.csv").read_text().count(".mp4") == len([*(place / "clips").iterdir()])


def test_search_in_a_process_of_its_own_prints_json_only(told, place):
    out, errors = run("vlsa search index --like-video clip.mp4 -k 2 --json", place)
    hits = [json.loads(line) for line in out.splitlines()]
    assert [hit["rank"] for hit in hits] == [1, 2]
    assert errors == ""
    assert {"path", "start_seconds", "stop_seconds", "stand_out", "why"} <= set(hits[0])


def test_a_clip_that_is_in_the_index_finds_itself_first(told, place, monkeypatch):
    monkeypatch.chdir(place)
    hit = json.loads(call("vlsa search index --like-video clip.mp4 --in video -k 1 --json").stdout)
    assert (Path(hit["path"]).name, hit["start_seconds"]) == ("00002.mp4", 0.0)
    assert 0.95 < hit["why"][0]["score"] <= 1  # the question is the mean of two windows, the index holds one of them


def test_moments_like_one_of_the_index_and_duplicates_are_found_without_the_model(told, place, monkeypatch):
    monkeypatch.chdir(place)
    path = json.loads(call("vlsa search index a ball -k 1 --json").stdout)["path"]
    alike = [json.loads(line) for line in call(f"vlsa similar index {path}@0-1 -k 3 --json").stdout.splitlines()]
    assert [moment["rank"] for moment in alike] == [1, 2, 3] and path not in {moment["path"] for moment in alike}
    assert (
        "clip.mp4: no such file in index; nothing can be compared with it"
        in call("vlsa similar index clip.mp4@0-1").stderr
    )
    groups = [
        json.loads(line)["group"] for line in call("vlsa duplicates index --at-least 0.5 --json").stdout.splitlines()
    ]
    assert groups == sorted(groups) and min(map(groups.count, groups)) >= 2
    assert "have a cosine of 1 or more" in call("vlsa duplicates index --at-least 1").stdout


def test_the_same_from_python(told, place):
    model = vlsa.load(place / "run")
    vectors = model.encode_text(["a ball", "two blocks"])
    assert vectors.shape == (2, 3 * 32)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors.reshape(2, 3, 32), axis=2)  # in the spaces audio-video, audio-text, video-text
    np.testing.assert_allclose(lengths, [[0, 1, 1]] * 2, atol=1e-5)
    assert model.encode_audio([place / "ring.wav"]).shape == model.encode_video([place / "frame.png"]).shape == (1, 96)
    assert len(vlsa.Index.open(place / "index").search("a ball", k=4)) == 4


def test_stopped_by_ctrl_c_the_same_command_goes_on_to_the_very_same_weights(told, place, monkeypatch):
    line = example("pretrain").replace("--out run", "--out stopped")
    process = start(line, place)
    wait_for_a_step(place / "stopped" / "metrics.jsonl")
    process.send_signal(signal.SIGINT)
    out, errors = ended(process)
    assert process.returncode == 130
    assert out == ""
    assert "stopped after step" in errors
    assert "the same command resumes" in errors
    assert "Traceback" not in errors
    monkeypatch.chdir(place)
    assert call(line).exit_code == 0
    name = f"checkpoints/step-{NUM_STEPS:08d}/model.safetensors"
    unbroken, resumed = (load_file(place / folder / name) for folder in ("run", "stopped"))
    assert unbroken.keys() == resumed.keys()
    for weight in unbroken:
        np.testing.assert_array_equal(unbroken[weight], resumed[weight], err_msg=weight)


def wait_for_a_step(metrics: Path) -> None:
    """Until the first step is written down."""
    deadline = time.monotonic() + 120
    while not (metrics.exists() and metrics.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline, "no step in two minutes"
        time.sleep(0.02)


def test_the_same_command_again_does_nothing_twice(told, place, monkeypatch):
    monkeypatch.chdir(place)
    assert ": finished already: " in call(example("pretrain")).stdout
    assert "; 0 indexed now" in call(example("index")).stdout


def test_other_settings_for_a_run_that_is_there_are_refused_by_name(told, place, monkeypatch):
    monkeypatch.chdir(place)
    result = call(example("pretrain") + " --set train.seed=5")
    assert result.exit_code == 2
    assert "train.seed: 0 -> 5" in result.stderr


def test_the_demo_goes_the_whole_way_and_a_second_call_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vlsa.cli.demo.usable_cores", lambda: 0)  # all in this process
    changes = " ".join(f"--set {change}" for change in SMALL_MODEL[1:])
    line = f"vlsa demo demo --train {NUM_TRAIN} --test {NUM_TEST} --steps 5 {changes}"
    result = call(line)
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.stdout.count("→") == 12
    for name in ("results.json", "curves.png", "report.html", "index"):
        assert f"demo/{name}" in result.stdout
        assert (tmp_path / "demo" / name).exists()
    assert "demo/run/checkpoints/step-00000005/model.safetensors" in result.stdout
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    assert page.count('class="search card"') == 5
    assert "duration &gt; 2 and has_audio" in page and 'href="found.edl"' in page
    assert (tmp_path / "demo" / "found.edl").read_text().count("FROM CLIP NAME") == 5
    assert "questions/sound.wav" in page
    assert "world/test/" in page
    again = call(line)
    assert again.exit_code == 0
    assert again.stderr.count("(finished before)") == 7
    table = result.stdout.partition("\nTook")[0]
    assert again.stdout.partition("\nTook")[0] == table
