"""A folder of small annotation files in the published forms and of stand-in media, and an import of them."""

import json
from pathlib import Path

import pytest

from vlsa.base.files import read_json_lines
from vlsa.data.benchmarks.convert import convert, report_path_of
from vlsa.data.benchmarks.import_summary import ImportSummary
from vlsa.data.ingest import scan as folders
from vlsa.data.ingest.manifest import ClipRow, Rejection, read
from vlsa.data.ingest.scan import ScannedFile

CLASSES = 'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Male speech, man speaking"\n2,/m/068hy,"Pets"\n'


class Importer:
    """A folder with annotation files and media; `run` converts. The media are not real: their facts are told."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.media = root, root / "media"
        self.media.mkdir()
        self.scanned: dict[str, ScannedFile] = {}
        self.looked_at: list[str] = []
        monkeypatch.setattr(folders, "scan_files", self._scan)

    def _scan(self, tasks, num_workers, progress):
        self.looked_at += [task.name for task in tasks]
        return {task.name: self.scanned[task.name] for task in tasks}

    def file(self, name: str, text: str | bytes | object) -> Path:
        """An annotation file: text, bytes, or what becomes JSON."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, str | bytes):
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        else:
            path.write_text(json.dumps(text))
        return path

    def video(self, *names: str, seconds: float = 20.0, has_sound: bool = True) -> None:
        """Media files of which only the name, the length and the sound count."""
        for name in names:
            (self.media / name).parent.mkdir(parents=True, exist_ok=True)
            (self.media / name).write_text(name)
            self.scanned[name] = ScannedFile(seconds, has_sound)

    def broken(self, name: str) -> None:
        """A file that cannot be decoded."""
        self.video(name)
        self.scanned[name] = ScannedFile(reason="unreadable", message=f"{name}: not a media file. Copy it again.")

    def run(self, dataset: str, *annotations: object, allow_count: bool = True, **options: object) -> ImportSummary:
        """Import; small sets have other counts than the published ones."""
        self.summary = convert(
            dataset, annotations, self.media, self.manifest, allow_count=allow_count, num_workers=0, **options
        )
        return self.summary

    @property
    def manifest(self) -> Path:
        return self.root / "clips.jsonl"

    @property
    def rows(self) -> list[ClipRow]:
        return read(self.manifest)

    @property
    def report(self) -> list[Rejection]:
        return [Rejection(**line) for line in read_json_lines(report_path_of(self.manifest))]

    def facts(self) -> dict[str, tuple[str, str, float, float, tuple[str, ...]]]:
        """By id: split, file, start, stop, texts."""
        return {
            row.id: (
                row.split,
                Path(row.path).relative_to(self.media).as_posix(),
                row.start_seconds,
                row.stop_seconds,
                row.texts,
            )
            for row in self.rows
        }
