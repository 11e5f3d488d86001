"""Footage: make it, import a public data set, prepare it, index it; each with its progress on stderr."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlsa.logs import Bar

if TYPE_CHECKING:
    from vlsa.data.benchmarks.summary import ImportSummary
    from vlsa.data.shards import StoreSettings
    from vlsa.data.summary import PrepareSummary
    from vlsa.data.world.write import WorldSummary
    from vlsa.retrieve.build import IndexSummary


def make_world(folder: Path, num_train: int, num_test: int, seed: int, num_workers: int) -> "WorldSummary":
    """Made footage. Raises ConfigError."""
    from vlsa.data.world.write import make_world

    with Bar("making clips") as bar:
        return make_world(
            folder, num_train=num_train, num_test=num_test, seed=seed, num_workers=num_workers, progress=bar.update
        )


def import_dataset(
    name: str,
    annotations: Sequence[str],
    media_folder: Path,
    manifest_path: Path,
    *,
    variant: str | None = None,
    subtitles: bool = False,
    num_workers: int | None = None,
) -> "ImportSummary":
    """A public data set's annotation files into a manifest. Raises VlsaError."""
    from vlsa.data.benchmarks.convert import convert

    with Bar("looking through files") as bar:
        return convert(
            name,
            annotations,
            media_folder,
            manifest_path,
            variant=variant,
            subtitles=subtitles,
            num_workers=num_workers,
            progress=bar.update,
        )


def prepare(
    source: Path,
    store_path: Path,
    settings: "StoreSettings",
    *,
    test_share: float = 0.1,
    num_workers: int | None = None,
    restart: bool = False,
) -> "PrepareSummary":
    """A folder of media, or a manifest, into a clip store. Raises VlsaError."""
    from vlsa.data import manifest
    from vlsa.data.prepare import prepare

    rejections: list[manifest.Rejection] = []
    if source.is_file():
        rows = manifest.read(source)
    else:
        with Bar("looking through files") as bar:
            rows, rejections = manifest.from_folder(
                source,
                window_seconds=settings.window_seconds,
                test_share=test_share,
                num_workers=num_workers,
                progress=bar.update,
            )
    with Bar("preparing clips") as bar:
        return prepare(
            rows,
            store_path,
            settings,
            num_workers=num_workers,
            rejections=rejections,
            restart=restart,
            progress=bar.update,
        )


def index(
    run_path: Path, source: Path, index_path: Path, *, num_workers: int | None = None, restart: bool = False
) -> "IndexSummary":
    """A folder of media, or a clip store, into a search index. Raises VlsaError."""
    from vlsa.retrieve.build import build_index

    with Bar("indexing") as bar:
        return build_index(run_path, source, index_path, num_workers=num_workers, restart=restart, progress=bar.update)
