"""Rows as JSON lines: what is written comes back, and what is malformed is told with its line."""

import json
import os
import re
from pathlib import Path

import pytest

from vlsa.base.errors import ConfigError, ManifestError
from vlsa.base.files import write_atomically
from vlsa.data.ingest import manifest, scan
from vlsa.data.ingest.manifest import ClipRow, clip_id, safe_id

ROW = ClipRow("cat-1", "films/cat.mp4", 0.5, 6.25, ("a cat", "it\u2028purrs \u732b"), "val")
GOOD = '{"id": "a", "path": "a.mp4", "start_seconds": 0, "stop_seconds": 6, "texts": ["x"], "split": "train"}'


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [ROW, ClipRow("b", os.fsdecode(b"caf\xe9.mp4"), 0.0, 1.0, (), "train")]
    manifest.write(tmp_path / "rows.jsonl", rows)
    assert manifest.read(tmp_path / "rows.jsonl") == rows


def test_a_list_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    row = {"id": "a", "path": "a.mp4", "start_seconds": 0, "stop_seconds": 1, "texts": ["b"], "split": "train"}
    (tmp_path / "list.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8-sig")
    assert manifest.read(tmp_path / "list.jsonl")[0].id == "a"


def test_texts_with_nothing_to_see_in_them_are_none(tmp_path: Path) -> None:
    row = {"id": "a", "path": "a.mp4", "start_seconds": 0, "stop_seconds": 1, "texts": ["  ", "\u200b", "b"]}
    (tmp_path / "list.jsonl").write_text(json.dumps(row | {"split": "train"}) + "\n")
    assert manifest.read(tmp_path / "list.jsonl")[0].texts == ("b",)


def test_whole_numbers_and_blank_lines_are_fine(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(f"\n{GOOD}\n\n")
    assert manifest.read(tmp_path / "rows.jsonl") == [ClipRow("a", "a.mp4", 0.0, 6.0, ("x",), "train")]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (GOOD[:-5], "not JSON"),
        ("[1, 2]", "needs exactly id, path.*found list"),
        (GOOD.replace('"path"', '"file"'), "needs exactly id, path.*found id, file"),
        (GOOD.replace("6", '"six"'), "the times must be numbers"),
        (GOOD.replace('["x"]', '"x"'), "texts a list"),
        (GOOD.replace('["x"]', "[7]"), "each text must be strings"),
        (GOOD.replace('"train"', '"dev"'), "no split named 'dev'. Use one of train, val, test"),
        (GOOD.replace('"a"', '"a.b"'), "clip id 'a.b': only letters"),
        (GOOD.replace('"a"', '"x"'), "clip id x occurs twice"),
        (GOOD.replace("6", "NaN"), "to nan s is not a stretch"),
        (GOOD.replace("6", "Infinity"), "to inf s is not a stretch"),
        (GOOD.replace("6", "9" * 400), "too large"),
        (GOOD.replace('["x"]', '["\\ud800"]'), "half a character"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(GOOD.replace('"a"', '"x"') + "\n" + line + "\n")
    with pytest.raises(ManifestError, match=f"rows.jsonl(:2)?: .*{says}"):
        manifest.read(path)


def test_a_missing_or_empty_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read"):
        manifest.read(tmp_path / "gone.jsonl")
    (tmp_path / "rows.jsonl").write_text("\n")
    with pytest.raises(ManifestError, match="no clips in it"):
        manifest.read(tmp_path / "rows.jsonl")


def test_ids_are_readable_unique_and_safe_in_a_tar() -> None:
    names = [
        "cat.mp4",
        "sub/cat.mp4",
        "sub/cat.mov",
        "sub cat.mp4",
        "\u732b.mp4",
        "\u72ac.mp4",
        "x" * 300 + ".mp4",
        ".mp4",
    ]
    ids = [clip_id(name, start, start + 6) for name in names for start in (0.0, 12.0, 12.001)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_@-]{1,80}", id) for id in ids)
    assert clip_id("sub/cat.mp4", 12.0, 18.0).startswith("sub_cat@12_000-18_000-")
    assert clip_id("cat.mp4", 12.0, 18.0) == clip_id("cat.mp4", 12.0001, 18.0)  # times count to the millisecond


def test_ids_in_other_scripts_stay_different() -> None:
    assert safe_id("my cat.1") == "my_cat_1"
    cat, dog = safe_id("\u043a\u043e\u0442-1"), safe_id("\u043f\u0435\u0441-1")
    assert cat != dog and all(re.fullmatch("___-1-[0-9a-f]{8}", id) for id in (cat, dog))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl"
    write_atomically(path, b"old")

    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"window_seconds": 1e-9}, "at least 0.5 s are a clip"),
        ({"window_seconds": float("nan")}, "are a clip"),
        ({"window_seconds": float("inf")}, "are a clip"),
        ({"test_share": float("nan")}, "between 0 and 1"),
        ({"test_share": 2.0}, "between 0 and 1"),
    ],
)
def test_a_window_or_share_that_cannot_be_is_refused_before_any_file_is_opened(
    tmp_path: Path, option: dict[str, float], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        scan.scan(tmp_path, **option)
