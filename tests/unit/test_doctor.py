"""The doctor: what is there is ok, what is not is named with its cure, and only the main path decides the exit code."""

import importlib
import json
import os
import re
import shutil
import tomllib
from types import SimpleNamespace

import pytest
from command_lines import ROOT, call

from vlsa import doctor
from vlsa.doctor import Check


def test_where_all_is_installed_nothing_blocks():
    checks = doctor.examine()
    assert [check for check in checks if check.blocks] == []
    assert {"python", "torch", "av", "lancedb", "disk", "memory", "temporary files"} <= {c.name for c in checks}


def test_every_finding_that_is_not_ok_says_what_to_do():
    assert all(bool(check.advice) != (check.state == "ok") for check in doctor.examine())


def without(monkeypatch, name: str, error: Exception) -> None:
    """Make importing one library fail."""
    real = importlib.import_module

    def fake(wanted: str):
        if wanted == name:
            raise error
        return real(wanted)

    monkeypatch.setattr(doctor.importlib, "import_module", fake)


def test_a_missing_library_names_the_extra_that_brings_it(monkeypatch):
    without(monkeypatch, "av", ModuleNotFoundError("No module named 'av'", name="av"))
    check = doctor.check_media()
    assert (check.state, check.found, check.blocks) == ("missing", "not installed", True)
    assert check.advice == "reads media: pip install '.[media]'"


def test_all_that_the_extra_of_media_brings_is_looked_at(monkeypatch):
    """A missing one would end `prepare` at the first file that needs it."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    brought = [
        re.match(r"[\w.-]+", name)[0] for name in tomllib.loads(text)["project"]["optional-dependencies"]["media"]
    ]
    without(monkeypatch, "charset_normalizer", ModuleNotFoundError("No module", name="charset_normalizer"))
    checks = {check.name: check for check in doctor.examine()}
    assert {name.replace("-", "_") for name in brought} <= checks.keys()
    assert checks["charset_normalizer"].blocks and "'.[media]'" in checks["charset_normalizer"].advice


def test_a_library_whose_native_part_does_not_load_is_missing_with_the_reason(monkeypatch):
    without(monkeypatch, "lancedb", OSError("libgomp.so.1: cannot open shared object file"))
    check = next(check for check in doctor.check_search() if check.name == "lancedb")
    assert check.blocks
    assert "libgomp" in check.found


@pytest.mark.parametrize(("number", "said"), [(1, ", 1 thread"), (2, ", 2 threads")])
def test_one_thread_is_not_threads(monkeypatch, number, said):
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: number)
    assert doctor.check_torch().found.endswith(said)


def test_a_missing_library_of_the_core_is_named(monkeypatch):
    without(monkeypatch, "einops", ModuleNotFoundError("No module named 'einops'", name="einops"))
    assert doctor.check_core().blocks
    assert "einops" in doctor.check_core().found


def test_what_is_only_for_pictures_does_not_block(monkeypatch):
    without(monkeypatch, "matplotlib", ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib"))
    check = next(check for check in doctor.examine() if check.name == "matplotlib")
    assert check.state == "missing"
    assert not check.blocks
    assert ".[curves]" in check.advice


def test_a_media_library_that_cannot_write_mp4_is_weak(monkeypatch):
    monkeypatch.setattr(doctor, "_can_encode", lambda av, name: name == "aac")
    assert doctor.check_media().state == "weak"
    assert "make-world" in doctor.check_media().advice


def test_little_memory_and_little_disk_are_weak_not_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sysconf", lambda name: 1024)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**30))
    assert doctor.check_memory().state == doctor.check_disk(tmp_path).state == "weak"
    assert not doctor.check_disk(tmp_path).blocks


def test_a_folder_that_cannot_be_written_blocks(tmp_path):
    assert doctor.check_writing(tmp_path).state == "ok"
    check = doctor.check_writing(tmp_path / "not there")
    assert check.blocks
    assert "TMPDIR" in check.advice


@pytest.mark.parametrize(("needed", "code"), [(True, 2), (False, 0)])
def test_the_exit_code_says_whether_the_main_path_works(needed, code, monkeypatch):
    found = [Check("python", "ok", "3.11"), Check("x", "missing", "not installed", "get it", needed)]
    monkeypatch.setattr(doctor, "examine", lambda: found)
    table = call("vlsa doctor")
    assert table.exit_code == code
    assert "get it" in table.stdout
    lines = call("vlsa doctor --json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [check.as_dict() for check in found]


@pytest.mark.parametrize(
    ("bfloat16", "compiler", "state", "told"),
    [(True, True, "ok", ""), (False, True, "weak", "no bfloat16"), (True, False, "weak", "install triton and gcc")],
)
def test_a_gpu_that_cannot_do_all_that_is_fast_is_weak_and_says_why(monkeypatch, bfloat16, compiler, state, told):
    import torch

    from vlsa.pretrain import acceleration

    card = SimpleNamespace(name="NVIDIA H100", total_memory=80 * 2**30, major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16)
    monkeypatch.setattr(acceleration, "has_compiler", lambda: compiler)
    check = doctor.check_gpu()
    assert check.found.startswith("2 x NVIDIA H100, 80 GiB, compute capability 9.0")
    assert check.state == state
    assert told in check.advice
    assert not check.blocks


def test_a_run_is_checked_too_when_it_is_named(tmp_path):
    result = call(f"vlsa doctor {tmp_path}")
    assert result.exit_code == 2
    assert "no checkpoint in it yet" in result.stderr
