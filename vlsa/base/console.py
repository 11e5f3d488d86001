"""What the terminal shows while a command works: progress and messages on stderr, and text that is safe to print.

Reads the progress callbacks of every stage; used by the command line and the demo. cli/output.py prints the results.
"""

import logging
import os
import re
import sys
import time
import warnings
from types import TracebackType
from typing import Any

from vlsa.base.launch import started

PLAIN_EVERY_SECONDS = 20.0
"""Interval of progress lines where stderr is not a terminal."""

NOTED_WAIT_SHARE = 0.1
"""Progress messages report the time spent waiting for data from this share on."""

CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\udc80-\udc9f"
    "\U000e0000-\U000e0fff]"
)
"""Characters that a terminal obeys or hides: C0 and C1 controls (also as bytes of a file name that is not UTF-8), line
separators, direction marks and overrides, invisible characters. The joiners of emoji and scripts are not among them."""


def printable(text: str) -> str:
    """The text with control characters escaped, as one line that is safe in a terminal: ESC becomes \\x1b."""
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def timestamp(seconds: float) -> str:
    """A position in a file as h:mm:ss.s, rounded to tenths: 0:00:07.5, 1:02:03.0."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    return f"{minutes // 60}:{minutes % 60:02d}:{tenths / 10:04.1f}"


def say(message: str) -> None:
    """Print one line to stderr; above the bar where one is shown."""
    line = f"vlsa: {printable(message)}"
    if _BARS:
        # Unwrapped, so that a path can be copied.
        _BARS[-1].console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)
    else:
        print(line, file=sys.stderr, flush=True)


_BARS: list[Any] = []
"""Those that the terminal shows now."""


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            say(self.format(record))
        except Exception:  # whatever a value's own text raises, or a terminal: as in all handlers, it stops no work
            self.handleError(record)


def set_up() -> None:
    """Send the package's log messages to stderr, and ignore warnings of libraries unless Python was asked for them.

    Of several processes only the main one prints results and messages.
    """
    if not started().main:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    logger = logging.getLogger("vlsa")
    logger.handlers, logger.propagate = [_Handler()], False
    logger.setLevel(logging.INFO if started().main else logging.ERROR)
    # It logs every attempt; we report the outcome. It sets its level from the environment when it is imported.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")  # for worker processes
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


class Bar:
    """Progress of a stage: a bar in a terminal, elsewhere a line every 20 s.

    `update` fits every progress callback of the library: (done, total), or (done, total, message). `keep_message`:
    the last message is about the whole stage and stays when the stage is complete.
    """

    def __init__(self, title: str, *, keep_message: bool = False) -> None:
        self.title, self.keep_message = printable(title), keep_message
        self._terminal = sys.stderr.isatty()
        self._started = self._printed = time.monotonic()
        self._first, self._total, self._line = 0, -1, ""
        self._bar: Any = None
        self._task: Any = None
        self._silent = not started().main

    def __enter__(self) -> "Bar":
        if self._terminal and not self._silent:
            self._bar = _rich_bar()
            self._bar.start()
            _BARS.append(self._bar)
            self._task = self._bar.add_task(self.title, total=None, message="", time="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            _BARS.remove(self._bar)
            self._bar.stop()

    def update(self, done: int, total: int, message: str = "") -> None:
        """Report that `done` of `total` units are complete."""
        if self._silent:
            return
        if total != self._total:  # the next part of the stage counts other units
            self._first, self._total, self._started = done, total, time.monotonic()
            if self._bar:
                self._bar.reset(self._task, total=total)
        message = printable(message) if done < total or self.keep_message else ""
        if self._bar:
            self._bar.update(self._task, completed=done, total=total, message=message, time=self._time(done, total))
        else:
            self._print(done, total, message)

    def update_part(self, done: int, total: int, message: str = "") -> None:
        """As `update`, of a stage whose parts count different things, each by its name (`counted`)."""
        name, message = counted(message)
        if name and printable(name) != self.title:
            self.title, self._total = printable(name), -1
            if self._bar:
                self._bar.update(self._task, description=self.title)
        self.update(done, total, message)

    def _time(self, done: int, total: int) -> str:
        now = time.monotonic()
        return self._time_left(now, done, total) if done < total else duration(now - self._started)

    def _print(self, done: int, total: int, message: str) -> None:
        now = time.monotonic()
        if done < total and now - self._printed < PLAIN_EVERY_SECONDS:
            return
        parts = [f"{self.title}: {done:,} of {total:,}", message, self._time_left(now, done, total)]
        line = ", ".join(part for part in parts if part)
        if line != self._line:  # several events may come with the last unit
            say(line)
        self._printed, self._line = now, line

    def _time_left(self, now: float, done: int, total: int) -> str:
        done_here = done - self._first
        if done >= total or done_here <= 0:
            return ""
        return f"{duration((now - self._started) * (total - done) / done_here)} left"


def counted(message: str) -> tuple[str, str]:
    """What a part of a stage counts, and the last of it: of "files read: a.mp4" the two; "" where it is not said."""
    name, colon, last = message.partition(": ")
    return (name, last) if colon else ("", message)


def training_message(metrics: dict[str, float]) -> str:
    """Loss, speed, MFU and a high waiting time, as far as they were measured."""
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
    """A length of time for people: 8 s, 3 min 20 s, 2 h 5 min."""
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

    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")  # a long file name is cut, not the bar
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[time]}", markup=False),
        TextColumn("{task.fields[message]}", style="dim", markup=False, table_column=rest),  # brackets are not markup
        expand=True,
        console=Console(stderr=True),
    )
