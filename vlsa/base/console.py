"""What a person sees on stderr while a command works: bars, notes, and no noise of libraries.

Reads the progress callbacks of every stage; used by the command line and the demo. Answers are not printed here.
"""

import logging
import os
import sys
import time
import warnings
from types import TracebackType
from typing import Any

from vlsa.base.launch import started

PLAIN_EVERY_SECONDS = 20.0
"""Where stderr is no terminal, a line of progress so often."""

NOTED_WAIT_SHARE = 0.1
"""From this share of the time on, the progress says that training waits for data."""


def say(message: str) -> None:
    """One line on stderr."""
    print(f"vlsa: {message}", file=sys.stderr, flush=True)


def set_up() -> None:
    """Our own notes go to stderr; warnings of libraries are left out, unless Python was asked for them.

    A process that does not speak for all keeps its answers and notes to itself.
    """
    if not started().main:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("vlsa: %(message)s"))
    logger = logging.getLogger("vlsa")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO if started().main else logging.ERROR)
    # It tells of each try; we tell of the outcome. Its level is set anew when it is imported, from the environment.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")  # for worker processes
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


class Bar:
    """A stage's progress: a bar in a terminal, elsewhere a line now and then.

    `update` fits every progress callback of the library: (done, total), or (done, total, message). `keep_message`: the
    last message says something about the whole, and stays when all is done.
    """

    def __init__(self, title: str, *, keep_message: bool = False) -> None:
        self.title, self.keep_message = title, keep_message
        self._terminal = sys.stderr.isatty()
        self._started = self._printed = time.monotonic()
        self._first, self._total = 0, -1
        self._bar: Any = None
        self._task: Any = None
        self._silent = not started().main

    def __enter__(self) -> "Bar":
        if self._terminal and not self._silent:
            self._bar = _rich_bar()
            self._bar.start()
            self._task = self._bar.add_task(self.title, total=None, message="", time="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, done: int, total: int, message: str = "") -> None:
        """`done` of `total` units are behind us."""
        if self._silent:
            return
        if total != self._total:  # a next part of the stage counts other things
            self._first, self._total, self._started = done, total, time.monotonic()
            if self._bar:
                self._bar.reset(self._task, total=total)
        message = message if done < total or self.keep_message else ""
        if self._bar:
            self._bar.update(self._task, completed=done, total=total, message=message, time=self._time(done, total))
        else:
            self._print(done, total, message)

    def _time(self, done: int, total: int) -> str:
        now = time.monotonic()
        return self._time_left(now, done, total) if done < total else duration(now - self._started)

    def _print(self, done: int, total: int, message: str) -> None:
        now = time.monotonic()
        if done < total and now - self._printed < PLAIN_EVERY_SECONDS:
            return
        self._printed = now
        parts = [f"{self.title}: {done:,} of {total:,}", message, self._time_left(now, done, total)]
        say(", ".join(part for part in parts if part))

    def _time_left(self, now: float, done: int, total: int) -> str:
        done_here = done - self._first
        if done >= total or done_here <= 0:
            return ""
        return f"{duration((now - self._started) * (total - done) / done_here)} left"


def training_message(metrics: dict[str, float]) -> str:
    """Loss, speed, and what is worth a look, in a few words; what was not measured is left out."""
    parts = [f"loss {metrics['loss']:.3f}"]
    if "clips_per_second" in metrics:
        speed = metrics["clips_per_second"]
        parts.append(f"{speed:,.0f} clips/s" if speed >= 10 else f"{speed:.1f} clips/s")
    if "mfu" in metrics:
        parts.append(f"{metrics['mfu']:.0%} MFU")
    if metrics.get("data_wait_share", 0.0) > NOTED_WAIT_SHARE:
        parts.append(f"{metrics['data_wait_share']:.0%} waiting for data")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as people say them: 8 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def _rich_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column

    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")  # a long file's name gives way, not the bar
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[time]}", markup=False),
        TextColumn("{task.fields[message]}", style="dim", markup=False, table_column=rest),  # brackets are no markup
        expand=True,
        console=Console(stderr=True),
    )
