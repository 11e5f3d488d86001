"""A place to import into."""

from pathlib import Path

import pytest
from data_sets import Importer


@pytest.fixture
def importer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Importer:
    """Annotation files and stand-in media in a folder of their own."""
    return Importer(tmp_path, monkeypatch)
