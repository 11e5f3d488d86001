"""The search index: a table of vectors, the model that made them, and a ledger of what has been acknowledged.

Reads an encoder and indexed rows (build.py); feeds the command line and serve/. From Python:
`vlsa.Index.open("INDEX").search("a bell rings twice", k=5)`.

    INDEX/index.json     format, version, model (run, recipe, fingerprint), width, rows acknowledged
    INDEX/files.jsonl    a line per file that is finished: its state, its rows, what of it was left out
    INDEX/lance/         the vectors (lance.py); everything can be made again from the media

Rows are written first, then the ledger, so that a killed process repeats work and loses none.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlsa.base.errors import ConfigError, SearchIndexError, VlsaError
from vlsa.base.files import naming, write_atomically
from vlsa.data.ingest.manifest import Rejection
from vlsa.retrieve.encode import encoders
from vlsa.retrieve.encode.encoders import Encoder
from vlsa.retrieve.encode.sampling import Sampling
from vlsa.retrieve.index.lance import IndexRow, VectorTable
from vlsa.retrieve.index.query import Hit, Question, column_of

FORMAT, VERSION = "vlsa-index", 1


@dataclass(frozen=True)
class IndexedFile:
    """A line of the ledger: a media file that is finished."""

    path: str
    state: str
    """Digest of the file's size and time and of the rows made of it; another digest = index it again."""
    num_rows: int
    rejections: tuple[Rejection, ...] = ()


class Index:
    """Clips that can be searched by words, by sound, by video and by image."""

    def __init__(self, path: Path, facts: dict[str, Any], table: VectorTable, encoder: Encoder | None) -> None:
        self.path, self.facts, self._table, self._encoder = path, facts, table, encoder
        self._run_path: str | None = None

    def __repr__(self) -> str:
        return f"Index({str(self.path)!r}, {len(self):,} clips, model {self.facts['model']})"

    def __len__(self) -> int:
        return len(self._table)

    @classmethod
    def create(cls, path: str | Path, encoder: Encoder, *, source: str = "") -> "Index":
        """A new index without rows; `source` names what it is made of. Raises SearchIndexError when one exists."""
        path = Path(path)
        if (path / "index.json").exists():
            raise SearchIndexError(
                f"{path}: an index is there already; it would be lost. Open it, or choose another folder."
            )
        path.mkdir(parents=True, exist_ok=True)
        (path / "files.jsonl").unlink(missing_ok=True)  # of a creation that was killed
        model = {**encoder.about, "fingerprint": encoder.fingerprint}
        if "run" in model:
            model["run"] = os.path.abspath(model["run"])  # the index may be opened from another folder
        table = VectorTable.create(path / "lance", encoder.width)
        facts = {"format": FORMAT, "version": VERSION, "model": model, "source": source, "width": encoder.width}
        index = cls(path, facts, table, encoder)
        index._write_facts()
        return index

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        run_path: str | Path | None = None,
        encoder: Encoder | None = None,
        repair: bool = False,
    ) -> "Index":
        """An index for searching; the model is loaded at the first question.

        The model is `encoder`, or that of `run_path`, or the one recorded in the index. With `repair`, missing rows
        are allowed, since the caller will write them again. Raises SearchIndexError: missing, not an index, of another
        version, rows lost, or made by another model.
        """
        path = Path(path)
        facts = read_facts(path)
        index = cls(path, facts, VectorTable.open(path / "lance", facts["width"]), None)
        index._run_path = str(run_path) if run_path is not None else None
        if encoder is not None:
            index._accept(encoder)
        if len(index) < facts["num_rows"] and not repair:
            raise SearchIndexError(
                f"{path}: holds {len(index)} rows, {facts['num_rows']} were acknowledged; some clips cannot be found. "
                "Run the same `vlsa index` command again: it restores them."
            )
        return index

    @property
    def encoder(self) -> Encoder:
        """The model that made the vectors. Raises SearchIndexError when it cannot be loaded or is another one."""
        if self._encoder is None:
            run_path = self._run_path or self.facts["model"].get("run")
            if run_path is None:
                raise SearchIndexError(
                    f"{self.path}: names no run of a model; questions cannot be encoded. "
                    "Name the run with --run (run_path=)."
                )
            try:
                loaded = encoders.load(run_path)
            except VlsaError as error:
                raise SearchIndexError(
                    f"{self.path}: its model cannot be loaded ({error}) Name the run with --run (run_path=)."
                ) from error
            self._accept(loaded)
        assert self._encoder is not None
        return self._encoder

    def _accept(self, encoder: Encoder) -> None:
        made_by = self.facts["model"]["fingerprint"]
        if encoder.fingerprint != made_by:
            raise SearchIndexError(
                f"{self.path}: made by model {made_by} (run {self.facts['model'].get('run')}), "
                f"this is {encoder.fingerprint}; "
                "vectors of two models cannot be compared. Use that run, or index again into another folder."
            )
        self._encoder = encoder.with_sampling(Sampling.of(self.facts["model"]))

    def search(
        self,
        text: str | None = None,
        k: int = 10,
        *,
        audio: str | os.PathLike[str] | None = None,
        video: str | os.PathLike[str] | None = None,
        image: str | os.PathLike[str] | None = None,
        in_: str = "media",
    ) -> list[Hit]:
        """The k best clips for words, or for a sound, video or image file; best first, fewer when there are fewer.

        `in_`: compare with "media" (picture and sound fused), "video", "audio" or "text" (the clips' own words). Raises
        VlsaError for a question that cannot be asked, MediaError for an unreadable file, SearchIndexError if empty.
        """
        question, column = Question(text=text, audio=audio, video=video, image=image), column_of(in_)
        if k < 1:
            raise VlsaError(f"search: k={k}; at least one answer has to be asked for. Try k=10.")
        if not len(self):
            raise SearchIndexError(
                f"{self.path}: the index is empty; nothing can be found. Add footage with `vlsa index`."
            )
        return self._table.search(question.vector(self.encoder), column, min(k, len(self)))

    def add(self, rows: Sequence[IndexRow], files: Iterable[IndexedFile] | None = None) -> None:
        """Write rows, replacing all that was indexed of their files, and acknowledge them. At best 1,000 rows or more.

        `files` says what is finished; without it, the files of the rows are, in no particular state.
        """
        counts: dict[str, int] = {}
        for row in rows:
            counts[row.path] = counts.get(row.path, 0) + 1
        finished = (
            list(files) if files is not None else [IndexedFile(path, "", count) for path, count in counts.items()]
        )
        self._table.replace_files(rows, sorted({*counts, *(file.path for file in finished)}))
        _drop_torn_line(self.path / "files.jsonl")
        _append(self.path / "files.jsonl", finished)
        self._write_facts()

    def files(self) -> dict[str, IndexedFile]:
        """Files that are finished, of which all rows are still there."""
        path = self.path / "files.jsonl"
        _drop_torn_line(path)
        known = {file.path: file for file in _read_ledger(path)} if path.exists() else {}
        counts = self._table.count_by_path()
        return {path: file for path, file in known.items() if counts[path] == file.num_rows}

    def _write_facts(self) -> None:
        self.facts = {**self.facts, "num_rows": len(self)}
        write_atomically(self.path / "index.json", json.dumps(self.facts, indent=1).encode() + b"\n")


def read_facts(path: str | Path) -> dict[str, Any]:
    """INDEX/index.json. Raises SearchIndexError: missing, not an index, or of another version."""
    path = Path(path)
    if not path.is_dir():
        raise SearchIndexError(
            f"{path}: no such folder; an index is needed. Make one with `vlsa index RUN FOLDER --out {path}`."
        )
    facts = _read_json(path / "index.json")
    if facts.get("format") != FORMAT:
        raise SearchIndexError(f"{path}: not an index (no valid index.json). Give the folder that `vlsa index` wrote.")
    if facts.get("version") != VERSION:
        raise SearchIndexError(
            f"{path}: index of version {facts.get('version')}, this vlsa reads {VERSION}; its rows would be misread. "
            "Index again into another folder, or use the vlsa that wrote it."
        )
    if not _is_whole(facts):
        raise SearchIndexError(f"{path}: index.json is damaged; nothing can be searched. Index again with --restart.")
    return facts


def _is_whole(facts: dict[str, Any]) -> bool:
    kinds = {"model": dict, "source": str, "width": int, "num_rows": int}
    if not all(isinstance(facts.get(name), kind) for name, kind in kinds.items()):
        return False
    try:
        Sampling.of(facts["model"])
    except (TypeError, ConfigError):
        return False
    return isinstance(facts["model"].get("fingerprint"), str) and isinstance(facts["model"].get("run", ""), str)


def remove(path: Path) -> None:
    """Delete an index, if one exists; the next creation clears its rows. Raises SearchIndexError for other files."""
    facts_path = path / "index.json"
    if facts_path.exists():
        if _read_json(facts_path).get("format") != FORMAT:
            raise SearchIndexError(f"{facts_path}: not of an index; it would be lost. Choose another folder.")
        facts_path.unlink()


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty when there is none."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _append(path: Path, files: Iterable[IndexedFile]) -> None:
    with path.open("ab") as ledger, naming(path):
        ledger.writelines(json.dumps(asdict(file), ensure_ascii=False).encode() + b"\n" for file in files)
        ledger.flush()
        os.fsync(ledger.fileno())


def _drop_torn_line(path: Path) -> None:
    """Cut off a last line that a killed process did not finish; its file will be indexed again."""
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole != len(data):
        os.truncate(path, whole)


def _read_ledger(path: Path) -> Iterator[IndexedFile]:
    """The lines that are whole; the file of a damaged one will be indexed again."""
    for line in path.read_bytes().splitlines():
        try:
            facts = json.loads(line)
            rejections = tuple(Rejection(**rejection) for rejection in facts["rejections"])
            file = IndexedFile(facts["path"], facts["state"], facts["num_rows"], rejections)
        except (ValueError, LookupError, TypeError):
            continue
        yield file
