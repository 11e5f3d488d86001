"""What the rungs measure: step 1 of equal clips, clips rendered once, attention by each kernel, the tests of a GPU."""

import json
import os
import pickle
import subprocess
import sys

import attention
import numpy as np
import pytest
import stepping
import torch
from command_lines import ROOT
from made import RenderedClips, random_batch, render
from running import Job
from timing import time_steps

from vlsa.config.overrides import override
from vlsa.config.recipes import recipe
from vlsa.data.world.rendered import WorldClips, WorldSpec

CPU = torch.device("cpu")
SETTINGS = tuple(
    f"model.{setting}"
    for setting in (
        "video.size_px=32",
        "video.patch_px=8",
        "encoder.width=32",
        "encoder.num_layers=2",
        "decoder.width=32",
    )
)
TINY = override(recipe("tiny"), [*SETTINGS, "model.text.vocabulary_size=50", "compute.precision=float32"])


def job(num_clips: int, equal_clips: int) -> Job:
    return Job(TINY, num_clips, equal_clips, num_steps=2, small=True, profile=None)


def test_step_1_is_of_equal_clips_whatever_fits():
    """A rung that holds 2 clips takes the batch of 6 by gradient caching: the same loss and gradient."""
    whole, chunked = (stepping.first_step(stepping.start(TINY, CPU), job(n, 6))["first_step"] for n in (6, 2))
    reference = stepping.reference(job(6, 6))["first_step"]
    for found in (chunked, reference):
        assert (found["clips"], found["model"]) == (6, whole["model"])
        assert found["loss"] == pytest.approx(whole["loss"], rel=1e-5)
        assert found["gradient_norm"] == pytest.approx(whole["gradient_norm"], rel=1e-4)
    fewer = stepping.first_step(stepping.start(TINY, CPU), job(4, 4))["first_step"]
    assert abs(fewer["loss"] / whole["loss"] - 1) > 0.02  # another batch has another loss


def test_the_whole_batch_takes_step_1_in_two_chunks_and_is_the_same_step():
    whole = stepping.on_device(job(4, 4), whole_batch=True)
    plain = stepping.on_device(job(4, 4))
    assert (whole["batch_size"], whole["chunks"], plain["chunks"]) == (16, 8, 1)
    assert whole["first_step"]["loss"] == pytest.approx(plain["first_step"]["loss"], rel=1e-5)


def test_random_clips_are_the_same_whatever_was_drawn_before():
    first = random_batch(TINY.model, 2, CPU)
    torch.randn(7)
    again = random_batch(TINY.model, 2, CPU)
    assert torch.equal(first.video, again.video) and torch.equal(first.waveform, again.waveform)


@pytest.mark.parametrize("num_processes", [1, 2])
def test_rendered_clips_are_those_of_the_world(tmp_path, num_processes):
    data = "world:train=3,test=2,px=16,first=7"
    world = WorldClips(WorldSpec.parse(data))
    rendered = pickle.loads(pickle.dumps(render(data, tmp_path / "clips", num_processes)))
    assert isinstance(rendered, RenderedClips) and rendered.path == world.path
    assert [row.id for row in rendered.rows()] == [row.id for row in world.rows()]
    for row in world.rows():
        for how in ({}, {"frame_indices": [3, 5], "sound_range": (100, 4000)}, {"frame_indices": []}):
            ours, theirs = rendered.read(row, **how), world.read(row, **how)
            assert ours.texts == theirs.texts and ours.id == theirs.id
            for name in ("frames", "frame_seconds", "sound"):
                np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_attention_is_measured_at_the_shapes_of_the_paper():
    """By hand: 392 + 64 + 40 visible tokens alone and together; 1,864 in the decoder."""
    found = attention.shapes(recipe("paper").model)
    assert found["encoder"].groups[-1] == sum(found["encoder"].groups[:3]) == 496
    assert found["decoder"].groups == (1864,)
    assert found["decoder"].flops(2) == 3 * 4 * 2 * 512 * 1864**2


def test_each_kernel_of_attention_gives_the_same_outputs():
    shape = attention.Shape((5, 3, 8), width=16, num_heads=2)
    packed = torch.randn(2, 16, 48)
    masked, dense = (attention.kernels(shape, 2, CPU)[name](packed) for name in ("masked", "dense"))
    torch.testing.assert_close(dense, masked)
    results = attention.measure(job(2, 2))
    assert results["encoder dense error"] < 1e-5
    lines = attention.table(results | {"decoder cudnn": "no such kernel"})
    assert [line.split()[:2] for line in lines[2:]] == [
        ["encoder", "masked"], ["encoder", "dense"], ["decoder", "masked"], ["decoder", "dense"], ["decoder", "cudnn"]
    ]  # fmt: skip
    assert lines[-1].endswith("no such kernel") and attention.table({}) == []


def test_reading_is_timed_after_the_first_batches():
    read = []

    def batches():
        for number in range(100):
            read.append(number)
            yield number

    speed = stepping.reading_speed(batches(), num_batches=10, ahead=4, num_clips=8)
    assert len(read) == 10 and speed > 0


MADE_TESTS = """
import pytest
def test_good_one(): pass
def test_good_two(): pass
def test_bad(): assert 0
"""


SELECTED = ("good", "", "absent")


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What cases print that run some of the made tests, one after the other in one process; by what is selected."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "test_made.py").write_text(MADE_TESTS)
    code = f"import sys, json; sys.path.insert(0, {str(ROOT / 'bench')!r}); import gpu_tests\n"
    code += f"for selected in {SELECTED!r}:\n"
    code += f"    print('\\nEND', json.dumps(gpu_tests.run(selected, None, {str(folder)!r})), '\\nNEXT')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280)
    parts = done.stdout.split("\nNEXT\n")
    return dict(zip(SELECTED, parts, strict=False)) if len(parts) == 4 else pytest.fail(done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("selected", "passed", "failure"),
    [("good", 2, None), ("", 2, "1 of the tests: test_bad"), ("absent", 0, "pytest ended with status 5")],
)
def test_tests_are_a_case_whose_outcome_is_handed_over_one_by_one(printed, selected, passed, failure):
    results = json.loads(printed[selected].rpartition("END ")[2])
    assert results["passed"] == passed
    assert (failure in results["failed"]) if failure else "failed" not in results
    assert printed[selected].count("RESULT") == passed + (selected == "")


@pytest.mark.parametrize("demanded", [True, False], ids=["demanded", "not demanded"])
def test_a_test_that_needs_a_gpu_is_skipped_unless_one_is_demanded(demanded):
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "VLSA_REQUIRE_GPU": "1" if demanded else ""}
    test = "tests/gpu/test_encoding_on_gpu.py"
    options = ["-q", "-o", "addopts=", "--import-mode=importlib", "-p", "no:cacheprovider", "-rs"]
    command = [sys.executable, "-m", "pytest", *options, test]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == int(demanded), done.stdout + done.stderr
    assert ("demands a GPU" if demanded else "needs a GPU") in done.stdout


def test_steps_are_timed_after_the_warm_up_and_within_the_time():
    calls = []
    timing = time_steps(lambda: calls.append(sum(range(20_000))), CPU, num_steps=5, num_warm_up=3)
    assert len(calls) == 8 and len(timing.seconds) == 5
    assert timing.median > 0 and timing.p95 >= timing.median and timing.peak_gib is None
    assert len(time_steps(lambda: sum(range(200_000)), CPU, num_steps=50, limit_seconds=0.0).seconds) == 2
