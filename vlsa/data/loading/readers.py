"""The processes that read for a training: how they start, and which signals they leave to it. Used by loader.py."""

import multiprocessing
import signal
import threading
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext

from vlsa.data.engine.workers import exit_with_parent


def fresh_processes(*preloaded: str) -> BaseContext:
    """Readers start as forks of a server that has imported the modules `preloaded`, once for all runs of a process.

    Importing PyTorch takes each seconds otherwise, and many at the same time wait for one disk. Without such a server
    (Windows) each is spawned. Never a fork of this process, whose threads and GPU a fork does not survive.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preloaded))
    resource_tracker.ensure_running()  # it starts with the server, and is to end by signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    forkserver.ensure_running()  # with SIGTERM blocked: its end would be that of all readers
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def leave_signals_to_the_loop(_worker: int) -> None:
    """Ctrl-C and a scheduler's SIGTERM reach readers too; the loop still needs them for the step in progress.

    A second SIGTERM ends one: so does a DataLoader that waits for a reader in vain. One whose training was killed ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: signal.signal(number, signal.SIG_DFL))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=exit_with_parent, daemon=True).start()
