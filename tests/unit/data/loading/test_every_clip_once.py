"""Property: whatever the ranks, readers, sizes and restarts, no clip is doubled, dropped or moved to another step."""

import contextlib
import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_config, tiny_run, tiny_source

from vlsa.data.loading.loader import TrainingClips, training_batches
from vlsa.data.loading.step_sampler import StepSampler

Keys = list[tuple[int, int]]


@st.composite
def runs(draw: st.DrawFn) -> dict:
    """A run: clips, ranks, clips of a rank, steps, and the step that each of its launches begins at."""
    num_ranks, share = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    batch_size = num_ranks * share
    num_steps = draw(st.integers(1, 30))
    starts = sorted({0, *draw(st.lists(st.integers(0, num_steps), max_size=4))})
    return {
        "num_clips": draw(st.integers(batch_size, batch_size * 7)),
        "num_ranks": num_ranks,
        "batch_size": batch_size,
        "num_steps": num_steps,
        "seed": draw(st.integers(0, 2**62)),
        "starts": starts,
    }


def steps_of(run: dict, num_ranks: int, first: int, stop: int) -> list[Keys]:
    """What all ranks of a launch read, step by step; rank 0's clips first."""
    train = tiny_run(**{name: run[name] for name in ("num_steps", "batch_size", "seed")}).train
    parts = [
        list(StepSampler(run["num_clips"], train, first, rank=rank, num_ranks=num_ranks)) for rank in range(num_ranks)
    ]
    assert {len(keys) for part in parts for keys in part} <= {run["batch_size"] // num_ranks}
    return [[key for keys in step for key in keys] for step in zip(*parts, strict=True)][: stop - first]


@settings(max_examples=150, deadline=None)
@given(run=runs(), data=st.data())
def test_a_run_of_any_launches_reads_each_clip_once_an_epoch(run, data):
    """Each launch may have another number of ranks: that which it has, or one, or each clip a rank of its own."""
    bounds = [*run["starts"], run["num_steps"]]
    steps: list[Keys] = []
    for first, stop in itertools.pairwise(bounds):
        num_ranks = data.draw(st.sampled_from([run["num_ranks"], 1, run["batch_size"]]))
        steps += steps_of(run, num_ranks, first, stop)
    assert steps == steps_of(run, 1, 0, run["num_steps"])
    assert len(steps) == run["num_steps"]
    steps_per_epoch = run["num_clips"] // run["batch_size"]
    for epoch in range(-(-run["num_steps"] // steps_per_epoch)):
        read = [key for step in steps[epoch * steps_per_epoch : (epoch + 1) * steps_per_epoch] for key in step]
        rows = [row for _, row in read]
        assert {number for number, _ in read} == {epoch}
        assert len(set(rows)) == len(rows) and set(rows) <= set(range(run["num_clips"]))
    if steps_per_epoch * run["batch_size"] == run["num_clips"] and run["num_steps"] >= steps_per_epoch:
        first_epoch = [row for step in steps[:steps_per_epoch] for _, row in step]
        assert sorted(first_epoch) == list(range(run["num_clips"]))


@settings(max_examples=12, deadline=None)
@given(
    num_clips=st.integers(4, 9),
    batch_size=st.integers(1, 4),
    num_steps=st.integers(1, 6),
    start=st.integers(0, 6),
    cached=st.booleans(),
)
def test_what_is_read_is_what_was_asked_for_after_any_restart(
    tokenizer, num_clips, batch_size, num_steps, start, cached
):
    """The clips that arrive, and their content: of a run that went through, and of one that began at a step."""
    train = tiny_run(num_steps=num_steps, batch_size=batch_size, cache_gib=0.01 if cached else 0.0).train
    clips = TrainingClips(tiny_source(num_clips), tiny_config(), train, tokenizer)
    first = min(start, num_steps - 1)
    with contextlib.ExitStack() as stack:
        whole = list(stack.enter_context(training_batches(clips, 0)))
        rest = list(stack.enter_context(training_batches(clips, first)))
    wanted = [tuple(clips.rows[row].id for _, row in keys) for keys in StepSampler(num_clips, train, 0)]
    assert [batch.ids for batch in whole] == wanted
    assert [batch.ids for batch in rest] == wanted[first:]
    for one, other in zip(whole[first:], rest, strict=True):
        for name in ("video", "waveform", "token_ids"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
