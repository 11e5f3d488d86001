"""Vectors stored as float16: the same index in half of the space, with digests of what is stored."""

import json

import numpy as np
import pytest
from command_lines import call
from fake_encoder import FakeEncoder, PairEncoder, write_numbered_sound

from vlsa.base.errors import ConfigError, SearchIndexError
from vlsa.retrieve.index.build import build_index
from vlsa.retrieve.index.check import check_index
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.rows import IndexRow
from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.tables import SearchTables


@pytest.fixture
def footage(tmp_path):
    (tmp_path / "footage").mkdir()
    for number in (1, 2, 3):
        write_numbered_sound(tmp_path / "footage" / f"{number}.wav", number, seconds=5.0)
    return tmp_path / "footage"


def row(encoder, number):
    at = {"spaces": encoder.spaces, "start_seconds": 0.0, "stop_seconds": 2.0, "path": f"{number}.mp4"}
    seen, heard = encoder.encode_video([f"{number}.mp4"])[0], encoder.encode_audio([f"{number + 1}.mp4"])[0]
    return IndexRow(id=f"{number}", video=seen, audio=heard if number % 2 else None, **at)


@pytest.mark.parametrize("make", [FakeEncoder, PairEncoder])
def test_rows_are_those_of_float32_rounded_and_their_digests_are_of_what_is_stored(tmp_path, make):
    encoder = make()
    rows = [row(encoder, number) for number in range(20)]
    found = {}
    for vectors in ("float32", "float16"):
        index = Index.create(tmp_path / vectors, encoder, vectors=vectors)
        index.add(rows)
        index.compact()
        assert len(Index.open(index.path).files()) == 20  # intact, by digest
        found[vectors] = {one.id: one for one in Index.open(index.path).table.rows()}
        found[vectors, "bytes"] = index.table.num_bytes()
    for id, exact in found["float32"].items():
        half = found["float16"][id]
        np.testing.assert_array_equal(half.video, exact.video.astype(np.float16).astype(np.float32))
        assert (half.audio is None) == (exact.audio is None) and half.vectors == "float16"
        np.testing.assert_allclose(half.media, exact.media, atol=1e-3)
    stored = Index.open(tmp_path / "float16").table._table.to_arrow()
    assert str(stored.schema.field("media").type.value_type) == "halffloat"
    assert found["float16", "bytes"] < found["float32", "bytes"]


def test_a_search_holds_half_numbers_and_answers_with_nearly_the_same_cosines(tmp_path):
    moments = {}
    for vectors in ("float32", "float16"):
        index = Index.create(tmp_path / vectors, FakeEncoder(), vectors=vectors)
        index.add([row(FakeEncoder(), number) for number in range(30)])
        library = Library.open(index.path, encoder=FakeEncoder())
        assert {rows.dtype.name for rows in library.tables.searched.vectors.values()} == {vectors}
        moments[vectors] = library.search("number 7", k=5, target="video")
    for one, other in zip(*moments.values(), strict=True):
        assert one.path.rpartition("/")[2] == other.path.rpartition("/")[2]
        assert one.score == pytest.approx(other.score, rel=1e-2)


def test_an_index_of_float16_follows_its_folder_and_agrees_with_its_ledger(footage, tmp_path):
    out = tmp_path / "index"
    build_index(FakeEncoder(), footage, out, num_workers=0, vectors="float16")
    assert json.loads((out / "index.json").read_text())["vectors"] == "float16" and check_index(out) == []
    (footage / "3.wav").rename(footage / "4.wav")
    done = build_index(FakeEncoder(), footage, out, num_workers=0)
    assert (done.num_files_moved, done.num_files_added) == (1, 0) and check_index(out) == []
    assert SearchTables.open(out).searched.vectors["audio"].dtype == np.float16


def test_another_precision_needs_a_new_index_and_one_that_is_not_known_is_refused(footage, tmp_path):
    out = tmp_path / "index"
    build_index(FakeEncoder(), footage, out, num_workers=0)
    with pytest.raises(SearchIndexError, match=r"its vectors are float32, --vectors asks for float16; .* --restart"):
        build_index(FakeEncoder(), footage, out, num_workers=0, vectors="float16")
    with pytest.raises(ConfigError, match="'int8' cannot be stored; use one of float32, float16"):
        build_index(FakeEncoder(), footage, out, num_workers=0, vectors="int8")
    build_index(FakeEncoder(), footage, out, num_workers=0, vectors="float16", restart=True)
    assert Index.open(out).precision == "float16" and check_index(out) == []
    assert call(f"vlsa index run footage --out {out} --vectors int8").exit_code == 2


def test_an_index_without_the_setting_is_of_float32_and_tables_that_differ_are_refused(tmp_path):
    index = Index.create(tmp_path / "index", FakeEncoder())
    index.add([row(FakeEncoder(), 1)])
    facts = json.loads((index.path / "index.json").read_text())
    del facts["vectors"]
    (index.path / "index.json").write_text(json.dumps(facts))
    assert Index.open(index.path).precision == "float32" and len(Index.open(index.path).files()) == 1
    for vectors, message in (("float16", "are not those of its index.json"), ("int4", "is damaged")):
        (index.path / "index.json").write_text(json.dumps(facts | {"vectors": vectors}))
        with pytest.raises(SearchIndexError, match=message):
            Index.open(index.path)
