"""Fixtures that many tests share; the functions behind them are in tiny.py."""

import os
import signal
from typing import Any

import pytest
import torch
from tiny import make_batch, make_model, tiny_clips, tiny_config

from vlsa.config import ModelConfig
from vlsa.data.batch import Batch
from vlsa.data.clip import Clip
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.model.vlsa import VLSA

torch.set_num_threads(1)  # models of this size lose by sharing; and sums then fall the same way on every machine


# fmt: off
SLOW = {
    "integration", "bench", "serve", "test_standing",
    "test_many_ranks", "test_step", "test_acceleration", "test_loop", "test_trackers",
    "test_hostile_checkpoints", "test_interrupted_training", "test_onnx", "test_sampling", "test_build",
    "test_index", "test_results_file", "test_compare", "test_ranks", "test_figures", "test_files",
    "test_object_store", "test_remote_reading",
    "test_truth", "test_prepare", "test_cached_clips", "test_hostile", "test_hostile_stores",
    "test_hostile_annotations", "test_tables", "test_public", "test_public_encoders", "test_hub",
    "test_sentence_transformers", "test_ray", "test_index_on_ray", "test_index_on_object_store", "test_index_writers",
    "test_map_routes", "test_playback", "test_export_routes", "test_jobs", "test_safety", "test_slow_clients",
}
# fmt: on
"""Folders and modules that train, start processes or take seconds a test: left out by `make test-fast`."""
TOGETHER = (
    "test_many_processes",
    "test_many_ranks",
    "test_train_scaling",
    "test_interrupted_training",
    "test_ray",
    "test_index_on_ray",
)
"""Modules that start several processes at once: they run on one worker, one after the other."""
LONGEST = (*TOGETHER, "test_onnx", "test_first_and_second", "test_command_line", "test_page")
"""Modules that take a minute or more: they start first, so that no worker ends alone with one of them."""


def pytest_configure() -> None:
    """Ctrl-C works in tests of it, also where pytest runs in the background of a shell, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow; what takes longest comes first."""
    for item in items:
        if {item.path.stem, *item.path.parent.relative_to(item.config.rootpath).parts} & SLOW:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: (item.path.stem not in LONGEST, item.get_closest_marker("slow") is None))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadgroup` one process runs a module, or all of TOGETHER."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from distribution import ByModule  # where pytest-xdist is missing, this is never called

    scheduler = ByModule(config, log)
    scheduler.together = TOGETHER
    return scheduler


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `gpu` are skipped where there is none, and fail there if one was demanded."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        if os.environ.get("VLSA_REQUIRE_GPU") == "1":
            pytest.fail("VLSA_REQUIRE_GPU=1 demands a GPU, and torch sees none", pytrace=False)
        pytest.skip("needs a GPU")


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fail a test that leaves this process a real-time one, as an encoder did: its children then starve all others."""
    if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        pytest.fail(f"{item.nodeid} left its process with a real-time priority", pytrace=False)


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    """Six clips of the made world with all three modalities."""
    return tiny_clips(6)


@pytest.fixture(scope="session")
def tokenizer(clips: list[Clip]) -> Tokenizer:
    """Trained on the texts of the clips."""
    return Tokenizer.train([text for clip in clips for text in clip.texts], 150)


@pytest.fixture(scope="session")
def config() -> ModelConfig:
    """The tiny model's settings: the paper's objective."""
    return tiny_config()


@pytest.fixture(scope="session")
def batch(clips: list[Clip], config: ModelConfig, tokenizer: Tokenizer) -> Batch:
    """The six clips as tensors; read only."""
    return make_batch(clips, config, tokenizer)


@pytest.fixture
def model(config: ModelConfig, tokenizer: Tokenizer, batch: Batch) -> VLSA:
    """A fresh tiny model, calibrated on the batch."""
    model = make_model(config, tokenizer)
    model.calibrate(batch)
    return model
