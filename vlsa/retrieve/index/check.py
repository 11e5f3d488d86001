"""Does an index hold what was written, and what is on disk? One line for each thing that differs.

Reads the tables, the ledger, and the names, sizes and times of the source; feeds `vlsa index --check`. Changes no row;
where the tables differ from the ledger, the next `vlsa index` compares them too.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from vlsa.base.errors import ManifestError
from vlsa.retrieve.index import ledger
from vlsa.retrieve.index.build import only_writer
from vlsa.retrieve.index.changes import compare
from vlsa.retrieve.index.facts import TRANSCRIBE, read_facts
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.ledger import IndexedFile
from vlsa.retrieve.index.publishing import Publisher
from vlsa.retrieve.index.remote_state import address_of
from vlsa.retrieve.index.source import Source, list_source
from vlsa.retrieve.index.verify import content_by_path, difference


def check_index(path: str | os.PathLike[str], *, source: str | os.PathLike[str] | None = None) -> list[str]:
    """What differs between the vectors, the ledger and the disk; empty if all is well.

    All vectors are read. `source` is where the footage is now, if it was moved. Raises SearchIndexError for an index
    that cannot be opened, or is being written.
    """
    if (address := address_of(path)) is not None:
        with Publisher(address).held() as publisher:
            found = check_index(publisher.folder, source=source)
            publisher.finish()
        return found
    path = Path(path)
    read_facts(path)  # before anything is locked, which makes a file
    with only_writer(path):
        index = Index.open(path, source=source, repair=True)
        known = ledger.read(index.data)
        in_tables = _in_tables(index, known)
        if in_tables:
            index.distrust()
        return [*in_tables, *_on_disk(index, known)]


def _in_tables(index: Index, known: Mapping[str, IndexedFile]) -> list[str]:
    found = content_by_path(index.table)
    names = sorted(found.keys() | known.keys())
    differences = ((name, difference(known.get(name), found.get(name))) for name in names)
    again = "Run the same `vlsa index` command again: it indexes the file anew."
    return [f"{os.path.join(index.source, name)}: {what}. {again}" for name, what in differences if what]


def _on_disk(index: Index, known: Mapping[str, IndexedFile]) -> list[str]:
    root = Path(index.source)
    try:
        source = list_source(root, index.facts.get(TRANSCRIBE, {}).get("fingerprint", ""))
    except ManifestError as error:
        return [str(error)]
    changes = compare(source, known)
    lines = dict.fromkeys(changes.gone, "is gone, and still found")
    lines |= {file.path: _state(source, known, file.path) for file in changes.todo}
    return [
        f"{source.absolute(path)}: {what}. Run the same `vlsa index` command again." for path, what in lines.items()
    ]


def _state(source: Source, known: Mapping[str, IndexedFile], path: str) -> str:
    if path not in known:
        return "is not indexed"
    file, line = source.files[path], known[path]
    if file.media != line.media:
        return "has changed since it was indexed"
    return "has another text, or another row of metadata.csv, than when it was indexed"
