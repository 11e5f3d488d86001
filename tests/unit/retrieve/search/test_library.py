"""A question asked of a real index on disk, with an encoder that reads numbers."""

import numpy as np
import pytest
from fake_encoder import FakeEncoder, concept

from vlsa.base.errors import SearchIndexError, VlsaError
from vlsa.retrieve.index.file_facts import FileFacts, file_id
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.rows import IndexRow
from vlsa.retrieve.search.library import COLUMNS, Library, row_of
from vlsa.retrieve.search.pieces import question_of

NUM_FILES = 30


def facts(number):
    path = f"{2024 + number % 2}/film {number}.mp4"
    known = {"duration_seconds": 10.0 * number, "has_video": True, "has_text": number % 3 == 0}
    recorded = f"2025-03-{number + 1:02d}T10:00:00+00:00"
    return FileFacts(
        path=path, file_id=file_id(path), recorded_at=recorded, metadata=f'{{"crew": "{number % 5}"}}', **known
    )


def rows(file, number):
    """Two windows that show the number of the file, the second with its sound, and a text."""
    at = {"path": file.path, "spaces": ("all",)}
    shown = concept(number)
    yield IndexRow(id=f"{file.file_id}-0", start_seconds=0.0, stop_seconds=2.0, video=shown, **at)
    yield IndexRow(
        id=f"{file.file_id}-1", start_seconds=2.0, stop_seconds=4.0, video=shown, audio=concept(100 + number), **at
    )
    text = {"texts": (f"this is number {number}",), "text_vector": concept(200 + number)}
    yield IndexRow(id=f"{file.file_id}-t", kind="text", start_seconds=2.5, stop_seconds=3.0, **text, **at)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    index = Index.create(tmp_path_factory.mktemp("library") / "index", FakeEncoder())
    files = [facts(number) for number in range(NUM_FILES)]
    all_rows = [row for number, file in enumerate(files) for row in rows(file, number)]
    index.add(all_rows, facts=files)
    return Library(index)


def test_the_arrays_are_the_rows_of_the_index(library):
    searched = library.searched
    assert (len(searched.windows), len(searched.texts), len(searched.paths)) == (60, 30, 30)
    number = searched.paths.index("2025/film 7.mp4")
    first, second = np.flatnonzero(searched.windows.file == number)
    np.testing.assert_array_equal(searched.vectors["video"][first], concept(7))
    assert not searched.vectors["audio"][first].any() and searched.vectors["audio"][second].any()
    assert searched.texts[number] == "this is number 7"


def test_a_question_finds_the_moment_and_its_words(library):
    found = library.ask(question_of("number 7", target="video", k=3))
    best = found.moments[0]
    assert (best.path, best.start_seconds, best.stop_seconds) == ("2025/film 7.mp4", 0, 4) and found.stands_out
    assert best.texts == ("this is number 7",)
    assert not library.ask(question_of("number 777", target="video")).stands_out
    assert [moment.path for moment in library.ask(question_of('"number 7"')).moments] == ["2025/film 7.mp4"]


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("duration > 270", {28, 29}),
        ("folder = '2025' and name like 'film 1?.mp4'", {11, 13, 15, 17, 19}),
        ("recorded = 2025-03-03 or recorded >= 2025-03-30", {2, 29}),
        ("has_text and crew = '4'", {9, 24}),
        ("width is not null", set()),
    ],
)
def test_a_filter_keeps_the_files_that_it_says(library, where, numbers):
    kept = library.kept(where)
    paths = {library.searched.paths[file] for file in library.searched.windows.file[kept]}
    assert paths == {facts(number).path for number in numbers}
    assert {moment.path for moment in library.ask(question_of("number 7", where=where, k=60)).moments} == paths


def test_a_moment_of_the_index_is_a_question(library):
    found = library.ask(question_of("number 3", like_moment=["2025/film 7.mp4@2-4^5"], k=1))
    assert found.moments[0].path == "2025/film 7.mp4"
    with pytest.raises(VlsaError, match="nothing at"):
        library.ask(question_of(like_moment=["2025/film 7.mp4@50-60"]))
    with pytest.raises(VlsaError, match="nothing at"):
        library.ask(question_of(like_moment=["gone.mp4@0-1"]))


def test_every_column_that_can_be_named_is_in_every_row(library):
    assert row_of(library.files[0]).keys() == COLUMNS.keys() | {"crew"}
    with pytest.raises(VlsaError, match="Did you mean crew"):
        library.kept("crw = '1'")


def test_an_empty_index_is_one_line(tmp_path):
    library = Library(Index.create(tmp_path / "index", FakeEncoder()))
    with pytest.raises(SearchIndexError, match="the index is empty"):
        library.ask(question_of("number 7"))
