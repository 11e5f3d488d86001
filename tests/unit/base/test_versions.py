"""Which code and libraries made a result."""

from vlsa.base import versions


def test_code_that_lies_in_anothers_repository_has_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "__file__", str(tmp_path / "site-packages" / "vlsa" / "base" / "versions.py"))
    assert versions.source_commit() is None


def test_the_versions_name_python_and_torch():
    assert {"python", "torch", "numpy"} <= versions.library_versions().keys()
