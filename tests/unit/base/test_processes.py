"""Which process is which, and where each computes."""

import pytest
import torch

from vlsa.base import processes
from vlsa.base.errors import ConfigError
from vlsa.base.launch import ProcessRank, started, under_torchrun
from vlsa.base.processes import any_rank, first_to_tell, from_main, joined, num_processes, own_device, wait_for_all

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "job",
    "RANK": "9",
    "WORLD_SIZE": "16",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "8",
    "TORCHELASTIC_RESTART_COUNT": "2",
}


@pytest.fixture
def gpus(monkeypatch):
    """A machine with two GPUs, as far as anybody asks."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_torchrun_says_who_a_process_is(monkeypatch):
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert under_torchrun()
    assert started() == ProcessRank(rank=9, num_ranks=16, local_rank=1, num_local=8, num_restarts=2)
    assert not started().main


def test_a_rank_that_another_launcher_set_is_no_torchrun(monkeypatch):
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "3")
    assert not under_torchrun()
    assert started() == ProcessRank()
    assert started().main


def test_a_process_alone_joins_nobody():
    with joined("cpu") as (ranks, device):
        assert (ranks.num_ranks, num_processes(), device) == (1, 1, torch.device("cpu"))
        wait_for_all()
        assert any_rank(True) and not any_rank(False)
        assert from_main({"step": 3}) == {"step": 3}
    assert first_to_tell()


def test_each_process_has_its_own_gpu(gpus):
    assert own_device(ProcessRank(rank=5, num_ranks=6, local_rank=1, num_local=2)) == torch.device("cuda", 1)
    assert own_device(ProcessRank()) == torch.device("cuda", 0)


@pytest.mark.parametrize("asked", ["cpu", "cuda:1"])
def test_a_device_that_was_asked_for_is_taken(gpus, asked):
    assert own_device(ProcessRank(local_rank=0, num_local=2), asked) == torch.device(asked)


def test_more_processes_than_gpus_are_one_line(gpus):
    with pytest.raises(ConfigError) as caught:
        own_device(ProcessRank(num_ranks=4, num_local=4))
    assert str(caught.value).startswith("torchrun --nproc-per-node 4: this machine has 2 GPUs")
    assert str(caught.value).endswith("Start --nproc-per-node 2.")


def test_only_a_lost_connection_is_a_lost_process():
    assert processes._is_loss(RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer"))
    assert processes._is_loss(torch.distributed.DistNetworkError("gone"))
    assert not processes._is_loss(RuntimeError("shape '[2]' is invalid"))
    assert not processes._is_loss(ValueError("gloo/transport"))


@pytest.mark.parametrize(("device", "ends"), [("cpu", ["in order"]), ("cuda:0", ["at once"])])
def test_trouble_ends_what_gpus_wait_for(monkeypatch, device, ends):
    """NCCL's orderly end waits for the kernels of processes that wait for this one."""
    ended, alive = [], [False]

    def end(how: str) -> None:
        ended.append(how)
        alive[0] = False

    monkeypatch.setattr(processes, "started", lambda: ProcessRank(num_ranks=2))
    monkeypatch.setattr(processes, "_store", torch.distributed.HashStore)
    monkeypatch.setattr(processes, "first_to_tell", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: alive[0])
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda *_, **__: alive.__setitem__(0, True))
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: end("in order"))
    monkeypatch.setattr(torch.distributed.distributed_c10d, "_abort_process_group", lambda: end("at once"))
    with pytest.raises(ZeroDivisionError), joined(device):
        raise ZeroDivisionError
    assert ended == ends
