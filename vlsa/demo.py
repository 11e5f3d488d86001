"""The whole pipeline in one call: make footage, prepare, pre-train, evaluate, index, search, and write a page.

Reads nothing; writes a folder. The same call resumes an interrupted one.

    OUT/world/           synthetic .mp4 files, their captions, and the events in them
    OUT/store/           the clip store
    OUT/run/             checkpoints and metrics of the training
    OUT/index/           the search index of the held-out files
    OUT/questions/       the queries that are files: an audio file and an image
    OUT/found.edl        what a query of two parts found, as an edit list
    OUT/results.json  OUT/curves.png  OUT/report.html  OUT/demo.json
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.base.console import Bar, duration, say
from vlsa.base.errors import ConfigError
from vlsa.config import Config
from vlsa.config.overrides import names_of
from vlsa.config.recipes import settings_of

if TYPE_CHECKING:
    from vlsa.retrieve.evaluate.evaluate import Evaluation
    from vlsa.show.report import SearchShown

NUM_MEASUREMENTS = 5
"""Evaluations on held-out clips during training, for the curves."""


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """Settings of a demo; a folder holds one demo."""

    num_train: int = 3000
    num_test: int = 200
    seed: int = 0
    """Of the world and of the training."""
    num_steps: int | None = None
    """None = those of the recipe."""
    assignments: tuple[str, ...] = ()
    """Further `a.b=c` changes of the recipe."""

    def config(self) -> Config:
        """The `tiny` recipe with these settings. Raises ConfigError."""
        if self.num_steps is not None and "train.num_steps" in names_of(Config(), self.assignments):
            raise ConfigError(
                "demo --steps and --set train.num_steps: both say how long the training is, and one would be ignored. "
                "Leave one out."
            )
        steps = [] if self.num_steps is None else [f"train.num_steps={self.num_steps}"]
        config = settings_of("tiny", [f"train.seed={self.seed}", *steps, *self.assignments])
        _check_batch(self.num_train, config.train.batch_size)
        if config.train.evaluate_every_steps:
            return config
        every_steps = max(config.train.num_steps // NUM_MEASUREMENTS, 1)
        return replace(config, train=replace(config.train, evaluate_every_steps=every_steps))


@dataclass(frozen=True)
class DemoResult:
    """Results and files of a demo."""

    evaluation: "Evaluation"
    files: tuple[tuple[str, Path], ...]
    """Label and path."""
    seconds: dict[str, float]
    """Of each stage, restarts included."""


def _check_batch(num_train: int, batch_size: int) -> None:
    # Before anything is written: a folder holds a demo of one setting, so this could not be fixed in it afterwards.
    if 0 < num_train < batch_size:
        raise ConfigError(
            f"demo: {num_train} training clips are fewer than one batch of {batch_size}; a step needs a whole "
            f"batch. Make more with --train, or add --set train.batch_size={num_train}."
        )


class DemoRecord:
    """OUT/demo.json: the settings of the demo, and the time of each stage so far."""

    def __init__(self, path: Path, settings: DemoSettings) -> None:
        self.path = path
        wanted = json.loads(json.dumps(asdict(settings)))
        self._record: dict[str, Any] = {"settings": wanted, "seconds": {}, "finished": []}
        if path.exists():
            self._record = _read_record(path)
            _check_same(path, self._record["settings"], wanted)

    @property
    def seconds(self) -> dict[str, float]:
        """Of each stage, restarts included."""
        return dict(self._record["seconds"])

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block; a stage that was finished before is not counted twice."""
        started, before = time.monotonic(), self.seconds.get(name, 0.0)
        known = name in self._record["finished"]
        say(f"{name}{' (finished before)' if known else ''}")
        try:
            yield
            self._record["finished"] = list(dict.fromkeys([*self._record["finished"], name]))
        finally:
            if not known:
                self._record["seconds"][name] = round(before + time.monotonic() - started, 1)
                self._write()

    def _write(self) -> None:
        from vlsa.base.files import write_atomically

        write_atomically(self.path, json.dumps(self._record, indent=2).encode() + b"\n")


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {name: record[name] for name in ("settings", "seconds", "finished")}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: not the record of a demo; the content of its folder is unknown. Name another folder."
        ) from error


def _check_same(path: Path, held: dict[str, Any], wanted: dict[str, Any]) -> None:
    changed = [f"{name} {held.get(name)} -> {value}" for name, value in wanted.items() if held.get(name) != value]
    if changed:
        raise ConfigError(
            f"{path.parent}: holds a demo of other settings ({', '.join(changed)}); results cannot be of both. "
            "Use the same settings, or name another folder."
        )


def run_demo(out: Path, settings: DemoSettings, num_workers: int) -> DemoResult:
    """Run all stages, or those that are missing. Raises VlsaError; KeyboardInterrupt after a Ctrl-C."""
    from vlsa.demo_search import search_each_kind
    from vlsa.pretrain.start import pretrain
    from vlsa.retrieve.evaluate.evaluate import evaluate_run, held_out_evaluator
    from vlsa.retrieve.index.build import build_index

    config = settings.config()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be made ({error.strerror}); a demo is a folder. Name another.") from error
    record = DemoRecord(out / "demo.json", settings)
    with record.stage("make a world"):
        _make_world(out / "world", settings, num_workers)
    with record.stage("prepare"):
        _prepare(out / "world", out / "store", config, num_workers)
    with record.stage("pre-train"):
        pretrain(config, out / "store", out / "run", make_evaluator=held_out_evaluator)
    with record.stage("evaluate"):
        evaluation = evaluate_run(out / "run", out / "store")
        evaluation.write(out / "results.json")
    with record.stage("index"), Bar("indexing") as bar:
        build_index(
            out / "run", out / "world" / "test", out / "index", num_workers=num_workers, progress=bar.update_part
        )
    with record.stage("search"):
        searches = search_each_kind(out)
    files = _files(out)
    with record.stage("draw"):
        _draw(out, evaluation, searches, files, record.seconds)
    return DemoResult(evaluation, files, record.seconds)


def _make_world(folder: Path, settings: DemoSettings, num_workers: int) -> None:
    from vlsa.data.world.write import make_world

    counts = {"num_train": settings.num_train, "num_test": settings.num_test}
    with Bar("making clips") as bar:
        make_world(folder, **counts, seed=settings.seed, num_workers=num_workers, progress=bar.update)


def _prepare(folder: Path, store_path: Path, config: Config, num_workers: int) -> None:
    from vlsa.data.ingest.scan import scan
    from vlsa.data.store.prepare import prepare, store_settings

    settings = store_settings(config)
    with Bar("scanning files") as bar:
        rows, rejections = scan(
            folder, window_seconds=settings.window_seconds, num_workers=num_workers, progress=bar.update
        )
    with Bar("preparing clips") as bar:
        prepare(rows, store_path, settings, num_workers=num_workers, rejections=rejections, progress=bar.update)


def _files(out: Path) -> tuple[tuple[str, Path], ...]:
    from vlsa.pretrain.checkpoint import MODEL_FILE, checkpoints

    return (
        ("checkpoint", checkpoints(out / "run")[-1] / MODEL_FILE),
        ("results", out / "results.json"),
        ("training curves", out / "curves.png"),
        ("page with results and searches", out / "report.html"),
        ("search index", out / "index"),
        ("edit list of a search", out / "found.edl"),
    )


def _draw(
    out: Path,
    evaluation: "Evaluation",
    searches: list["SearchShown"],
    files: tuple[tuple[str, Path], ...],
    seconds: dict[str, float],
) -> None:
    from vlsa.pretrain.metrics_log import METRICS_FILE
    from vlsa.show.plots.curves import draw_curves
    from vlsa.show.report import write_report

    curves = draw_curves(out / "run" / METRICS_FILE, out / "curves.png")
    took = ", ".join(f"{name} {duration(spent)}" for name, spent in seconds.items())
    write_report(
        out / "report.html",
        [("Retrieval on held-out clips", evaluation)],
        title="VLSA demo",
        summary=f"Synthetic footage, and a model trained on it from scratch. Time: {took}.",
        curves_png=curves,
        searches=searches,
        files=files,
    )
