"""A question asked of a real index on disk, with an encoder that reads numbers."""

import json
import os
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from fake_encoder import FakeEncoder, concept, write_numbered_sound
from followed_folder import CUE, follow

from vlsa.base.errors import SearchIndexError, VlsaError
from vlsa.retrieve.encode import encoders
from vlsa.retrieve.index import lance
from vlsa.retrieve.index.file_facts import FileFacts, file_id
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.rows import IndexRow
from vlsa.retrieve.search import tables
from vlsa.retrieve.search.answer import answer
from vlsa.retrieve.search.asked import asked_vectors
from vlsa.retrieve.search.file_filter import COLUMNS, SearchedFile, absent_values, facts_of, kept_paths
from vlsa.retrieve.search.library import Library
from vlsa.retrieve.search.pieces import question_of
from vlsa.retrieve.search.question import Question
from vlsa.retrieve.search.spans import parse_span
from vlsa.retrieve.search.tables_process import TablesProcess
from vlsa.serve.archive.facets import Facets

NUM_FILES = 30
WORDS = {20: "The ferry leaves.", 21: "two ferries in the fog", 22: "fog again", 23: "Ein Café am Hafen"}
"""What is said in some of the files, beside numbers."""


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
    words = WORDS.get(number, f"this is number {number}")
    text = {"texts": (words,), "text_vector": concept(200 + number)}
    yield IndexRow(id=f"{file.file_id}-t", kind="text", start_seconds=2.5, stop_seconds=3.0, **text, **at)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    index = Index.create(tmp_path_factory.mktemp("library") / "index", FakeEncoder(), source="/footage")
    files = [facts(number) for number in range(NUM_FILES)]
    all_rows = [row for number, file in enumerate(files) for row in rows(file, number)]
    index.add(all_rows, facts=files)
    return Library.open(index.path, encoder=FakeEncoder())


@pytest.fixture(scope="module")
def phrases(tmp_path_factory):
    """An index of texts without numbers: those of WORDS, Japanese, and two cues in one window."""
    index = Index.create(tmp_path_factory.mktemp("phrases") / "index", FakeEncoder())
    cues = [*WORDS.items(), (24, "日本語を話す"), (25, "drop the anchor"), (25, "the codeword is")]
    texts = [
        IndexRow(
            id=f"t{row}", kind="text", path=facts(number).path, spaces=("all",), start_seconds=0.2 + row % 2,
            stop_seconds=1.0 + row % 2, texts=(text,), text_vector=concept(1),
        )
        for row, (number, text) in enumerate(cues)
    ]  # fmt: skip
    seen = [
        IndexRow(
            id=f"w{number}", path=facts(number).path, spaces=("all",), start_seconds=0.0, stop_seconds=3.0,
            video=concept(number),
        )
        for number in {number for number, _ in cues}
    ]  # fmt: skip
    index.add([*texts, *seen])
    return Library.open(index.path, encoder=FakeEncoder())


def test_the_arrays_are_the_rows_of_the_index(library):
    searched = library.tables.searched
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


def test_each_part_can_say_what_it_is_compared_with(library):
    parts = [{"text": "number 7", "in": "video"}, {"text": "number 107", "in": "audio", "weight": 2.0}]
    question = Question.from_dict({"parts": parts})
    assert question.as_dict() == {"parts": parts}
    best = library.ask(question).moments[0]
    assert (best.path, best.best_start_seconds) == ("2025/film 7.mp4", 2.0)
    assert {why.modality: why.rank for why in best.why} == {"video": 1, "audio": 1}
    alone = library.ask(Question.from_dict({"parts": [{"text": "number 7", "in": "video"}]}))
    assert alone.moments == library.ask(question_of("number 7", target="video")).moments
    with pytest.raises(VlsaError, match="in='sound' is not there"):
        Question.from_dict({"parts": [{"text": "number 7", "in": "sound"}]})


def test_the_words_of_a_part_in_text_occur_wherever_the_other_parts_look(library):
    parts = [{"text": "number 7"}, {"text": "fog", "in": "text"}]
    known = [{"text": "number 7"}, {"text": "number 222", "in": "text"}]  # a text that the model knows
    question = Question.from_dict({"parts": known, "in": "video", "k": 30})
    occurs = library.tables._words(Question.from_dict({"parts": parts, "in": "video"}))
    assert [library.tables.searched.texts[row] for row in np.flatnonzero(~np.isnan(occurs))] == [
        "fog again",
        "two ferries in the fog",
    ]
    asked = asked_vectors(question, library.encoder, library.tables.stored)
    found = answer(library.tables.searched, question, asked, words=occurs).moments
    assert {moment.path for moment in found if "words" in {why.modality for why in moment.why}} == {
        "2024/film 22.mp4",
        "2025/film 21.mp4",
    }


def test_stand_outs_are_those_of_the_answer_for_every_window_that_a_filter_keeps(library):
    question = question_of("number 7", target="video", k=60, where="crew = 2")
    asked = asked_vectors(question, library.encoder, library.tables.stored)
    found = library.tables.stand_outs(question, asked)
    windows, paths = library.tables.searched.windows, library.tables.searched.paths
    kept = {f"{2024 + number % 2}/film {number}.mp4" for number in range(NUM_FILES) if number % 5 == 2}
    assert {paths[windows.file[row]] for row in np.flatnonzero(~np.isnan(found))} == kept
    cosines = library.tables.searched.vectors["video"] @ concept(7)
    median = np.median(cosines)
    expected = (cosines - median) / (1.4826 * np.median(np.abs(cosines - median)))
    np.testing.assert_allclose(found[~np.isnan(found)], expected[~np.isnan(found)], rtol=1e-4)
    best = {moment.path: moment.stand_out for moment in library.ask(question).moments}
    assert best.keys() == kept and best["2025/film 7.mp4"] == pytest.approx(np.nanmax(found), rel=1e-5)


def test_cues_of_two_languages_are_two_texts_in_an_index(tmp_path):
    index = Index.create(tmp_path / "index", FakeEncoder())
    at = {"path": "a.mp4", "spaces": ("all",)}
    cues = [("en", 0.0, "open"), ("fr", 0.5, "ouvre"), ("en", 2.0, "the door"), ("fr", 2.5, "la porte")]
    index.add(
        [
            IndexRow(id="w", start_seconds=0.0, stop_seconds=4.0, video=concept(1), **at),
            *(
                IndexRow(
                    id=f"t{start}",
                    kind="text",
                    start_seconds=start,
                    stop_seconds=start + 1,
                    texts=(text,),
                    language=language,
                    **at,
                )
                for language, start, text in cues
            ),
        ]
    )
    library = Library.open(index.path, encoder=FakeEncoder())
    assert library.tables.searched.languages == ("en", "fr", "en", "fr")
    phrases = ("open the door", "ouvre la porte", "open la", "ouvre the")
    found = [bool(library.ask(Question(phrases=(words,))).moments) for words in phrases]
    assert found == [True, True, False, False]


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("duration > 270", {28, 29}),
        ("folder = '2025' and name like 'film 1?.mp4'", {11, 13, 15, 17, 19}),
        ("recorded = 2025-03-03 or recorded >= 2025-03-30", {2, 29}),
        ("has_text and crew = 4", {9, 24}),
        ("width is not null", set()),
    ],
)
def test_a_filter_keeps_the_files_that_it_says(library, where, numbers):
    kept = library.tables.kept(where)
    paths = {library.tables.searched.paths[file] for file in library.tables.searched.windows.file[kept]}
    assert paths == {facts(number).path for number in numbers}
    assert {moment.path for moment in library.ask(question_of("number 7", where=where, k=60)).moments} == paths


@pytest.mark.parametrize(("stored", "asked"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_accents_may_be_composed_or_not_in_filters_moments_and_metadata(tmp_path, stored, asked):
    name, footage = unicodedata.normalize(stored, "größe.wav"), tmp_path / "footage"
    (footage / "b").mkdir(parents=True)
    write_numbered_sound(footage / "b" / name, 3, seconds=3.0)
    write_numbered_sound(footage / "other.wav", 4, seconds=3.0)
    table = unicodedata.normalize(asked, "path,höhe,place\nb\\größe.wav,7,Köln\n")
    (footage / "metadata.csv").write_text(table, encoding="utf-8")
    assert follow(footage, tmp_path / "index").num_rejected == 0
    tables = Library.open(tmp_path / "index", encoder=FakeEncoder()).tables
    for where in ("name = 'größe.wav'", "name like 'grö*'", "path = 'b/größe.wav'", "place = 'Köln'", "höhe = 7"):
        assert tables.kept(unicodedata.normalize(asked, where)).sum() == 2  # of four windows
    span = parse_span(unicodedata.normalize(asked, "b/größe.wav@0-1"))
    assert tables.stored(span)["audio"].any()


def test_rates_and_durations_are_compared_to_three_decimals_and_columns_of_the_owner_as_they_are():
    known = {"frames_per_second": 30000 / 1001, "duration_seconds": 10.0104, "metadata": '{"lat": "48.85661"}'}
    files = [SearchedFile(path="a.mp4", file_id="a", **known)]
    for where in ("fps = 29.97", "fps = 29.97002997002997", "fps <= 29.97", "duration = 10.01", "lat = 48.85661"):
        assert kept_paths(where, files) == {"a.mp4"}
    for where in ("fps != 29.97", "fps > 29.97", "fps = 29.98", "duration > 10.01", "lat = 48.85662"):
        assert kept_paths(where, files) == set()


def test_a_folder_is_the_same_with_a_slash_behind_it():
    files = [SearchedFile(path=path, file_id=path) for path in ("field/2025/a.mp4", "field/b.mp4", "c.mp4")]
    for where in ("folder = 'field/2025/'", "folder = './field/2025'", "folder in ('x/', 'field/2025//')"):
        assert kept_paths(where, files) == {"field/2025/a.mp4"}
    for name in ("", "./", ".", "/"):
        assert kept_paths(f"folder = '{name}'", files) == {"c.mp4"}


def test_the_wildcard_of_sql_is_told_what_is_the_one_here_where_it_matches_nothing():
    files = [SearchedFile(path=path, file_id=path) for path in ("a.mp4", "100%.mp4")]
    for where in ("name like 'a%'", "not name like '%a%'", "duration > 1 or (name like 'a%' and size > 2)"):
        with pytest.raises(VlsaError, match=r"% stands for itself; .* write name like '\*?a\*'"):
            kept_paths(where, files)
    assert kept_paths("name like '100%.MP4'", files) == {"100%.mp4"}
    assert kept_paths("name like 'b%*'", files) == set()  # no slip


def test_a_pattern_that_is_a_part_of_names_is_told_that_it_is_compared_with_all_of_them():
    files = [SearchedFile(path=path, file_id=path) for path in ("field/film-1.mp4", "b.mp4")]
    for where in ("name like 'film'", "not (folder like 'FIEL')"):
        with pytest.raises(VlsaError, match=r"it is compared with the whole text; .* like '\*(film|FIEL)\*'"):
            kept_paths(where, files)
    assert kept_paths("name like 'FILM-1.mp4'", files) == {"field/film-1.mp4"}
    assert kept_paths("name like 'owl'", files) == kept_paths("name like ''", files) == set()  # no slip


def test_what_a_filter_asks_for_and_no_file_has_is_told_with_the_nearest():
    files = [SearchedFile(path=path, file_id=path, languages=("de",)) for path in ("yard/dry/a.mp4", "b.mp4", "c.mp4")]

    def told(where: str) -> list[str]:
        return absent_values(where, files)

    assert told("folder = 'Yard/Dry' and has_audio") == ["no file has folder = 'Yard/Dry'; did you mean 'yard/dry'?"]
    assert told("folder = 'yard/'") == ["no file has folder = 'yard'; those below it: folder like 'yard/*'"]
    assert told("name in ('b.mp', 'zzzzzz', 'c.mp4')") == [
        "no file has name = 'b.mp'; did you mean 'b.mp4'?",
        "no file has name = 'zzzzzz'",
    ]
    assert told("language = 'fr'") == ["no file has language = 'fr'"]
    assert told("not name = 'x' and name != 'y' and size > 3 and name like 'q*'") == []


def test_a_filter_that_keeps_no_file_says_so_and_why(library):
    answer = library.ask(question_of("number 3", where="folder = 'harbour' or name = 'film7.mp4'"))
    assert answer.moments == () and answer.notes == (
        "the filter keeps no file",
        "no file has folder = 'harbour'",
        "no file has name = 'film7.mp4'; did you mean 'film 7.mp4'?",
    )
    assert library.ask(question_of("number 3", where="duration > 1")).notes == ()


def test_a_language_is_that_of_the_texts_by_two_letters_or_three(tmp_path):
    footage = tmp_path / "footage"
    footage.mkdir()
    for number, names in ((1, ("de", "eng")), (2, ("fre",)), (3, ())):
        write_numbered_sound(footage / f"sound-{number}.wav", number, seconds=3.0)
        for name in names:
            (footage / f"sound-{number}.{name}.srt").write_text(CUE.format(start=0, stop=1, number=number))
    follow(footage, tmp_path / "index")
    tables = Library.open(tmp_path / "index", encoder=FakeEncoder()).tables

    def kept(where: str) -> set[str]:
        return kept_paths(where, tables.files)

    assert [file.languages for file in tables.files] == [("de", "en"), ("fr",), ()]
    for name in ("de", "ger", "deu", "en", "eng", "EN"):
        assert kept(f"language = '{name}'") == {"sound-1.wav"}
    for name in ("fr", "fre", "fra"):
        assert kept(f"language in ('{name}', 'es')") == {"sound-2.wav"}
    assert kept("language != 'de'") == {"sound-2.wav"} and kept("language is null") == {"sound-3.wav"}
    facets = Facets(tables.files)
    counts = facets.of(tables.files)["languages"]
    assert counts == [{"value": name, "count": 1} for name in ("de", "en", "fr")]
    assert [column["values"] for column in facets.columns() if column["name"] == "language"] == [counts]


def test_a_moment_of_the_index_is_a_question(library):
    found = library.ask(question_of("number 300", like_moment=["2025/film 7.mp4@2-4^5"], k=1))
    assert found.moments[0].path == "2025/film 7.mp4"
    with pytest.raises(VlsaError, match="nothing at"):
        library.ask(question_of(like_moment=["2025/film 7.mp4@50-60"]))
    with pytest.raises(VlsaError, match=r"gone.mp4: no such file in .* Name it as the index or the disk does"):
        library.ask(question_of(like_moment=["gone.mp4@0-1"]))
    with pytest.raises(VlsaError, match=r"film7.mp4: no such file in .* Did you mean 2025/film 7.mp4\?"):
        library.ask(question_of(like_moment=["2025/film7.mp4@0-1"]))


def test_every_column_that_can_be_named_is_in_every_row(library):
    assert facts_of(library.tables.files[0]).keys() == COLUMNS.keys()
    with pytest.raises(VlsaError, match="Did you mean crew"):
        library.tables.kept("crw = '1'")


def test_an_empty_index_is_one_line(tmp_path):
    library = Library.open(Index.create(tmp_path / "index", FakeEncoder()).path, encoder=FakeEncoder())
    with pytest.raises(SearchIndexError, match="the index is empty"):
        library.ask(question_of("number 7"))


@pytest.mark.parametrize(("words", "numbers"), [("ferry", {20, 21}), ("FOG", {21, 22}), ("cafe", {23})])
def test_words_that_stand_in_subtitles_are_found_alone_and_with_an_example(library, words, numbers):
    paths = {facts(number).path for number in numbers}
    moments = library.ask(question_of(words, k=5)).moments
    assert {moment.path for moment in moments if "words" in {reason.modality for reason in moment.why}} == paths
    moments = library.ask(question_of(words, like_moment=["2024/film 4.mp4@0-4"], k=5)).moments
    assert paths & {moment.path for moment in moments}


def test_a_word_that_is_nowhere_is_refused_and_one_that_is_written_is_found_with_a_warning(library, caplog):
    with pytest.raises(VlsaError, match="has no word that this model knows"):
        library.ask(question_of("zebra"))
    with pytest.raises(VlsaError, match="has no word that this model knows"):
        library.ask(question_of("ferry", target="video"))
    found = library.search("ferry")
    assert caplog.messages == ["the model knows no word of 'ferry'; found are texts in which they occur"]
    assert found[0].path == os.path.join(library.source, found[0].path) and found[0].why[0].modality == "words"


@pytest.mark.parametrize(
    ("asked", "files"),
    [
        ('"ferry" "leaves"', {20}),
        ('"ferry leaves"', {20}),
        ('"am hafen"', {23}),
        ('"café" "ein"', {23}),
        ('"本語"', {24}),
        ('"語を話"', {24}),
        ('"anchor" "codeword"', {25}),
        ('zebra "fog"', {21, 22}),
        ('"zebra"', set()),
    ],
)
@pytest.mark.parametrize("target", ["media", "video"])
def test_a_quoted_phrase_is_found_wherever_it_occurs_though_the_model_knows_none_of_its_words(
    phrases, caplog, asked, files, target
):
    found = phrases.ask(question_of(asked, target=target, k=60)).moments
    assert {moment.path for moment in found} == {facts(number).path for number in files}
    assert len(caplog.messages) == 1 and "the model knows no word of" in caplog.messages[0]


def test_each_number_in_a_subtitle_is_found_by_its_word_within_the_first_five(library):
    for number in set(range(NUM_FILES)) - set(WORDS):
        assert facts(number).path in {one.path for one in library.ask(question_of(f"number {number}", k=5)).moments}


def taken_away(path, number, monkeypatch):
    """Another writer adds a file, and at once drops the versions before."""
    monkeypatch.setattr(lance, "KEEP_SECONDS", 0.001)
    writer = Index.open(path, encoder=FakeEncoder())
    writer.add([*rows(facts(number), number)], facts=[facts(number)])
    writer.compact()


def test_tables_that_a_writer_takes_away_while_they_are_read_are_read_again(tmp_path, monkeypatch):
    index = Index.create(tmp_path / "index", FakeEncoder())
    index.add([*rows(facts(1), 1)], facts=[facts(1)])
    library = Library.open(index.path, encoder=FakeEncoder())
    index.add([*rows(facts(2), 2)], facts=[facts(2)])
    read, numbers = tables.read_searched, [3]

    def read_slowly(searched):
        if numbers:
            taken_away(index.path, numbers.pop(), monkeypatch)
        return read(searched)

    monkeypatch.setattr(tables, "read_searched", read_slowly)
    assert library.search("number 3", k=1, target="video")[0].path.endswith("film 3.mp4")
    assert len(library.tables.files) == len(library.tables.searched.paths) == 3


def test_words_are_found_where_a_writer_took_away_the_tables_that_were_read(tmp_path, monkeypatch):
    index = Index.create(tmp_path / "index", FakeEncoder())
    index.add([*rows(facts(1), 1)], facts=[facts(1)])
    library = Library.open(index.path, encoder=FakeEncoder())
    refreshed = library.tables.refresh

    def late() -> None:
        refreshed()
        monkeypatch.setattr(library.tables, "refresh", refreshed)
        taken_away(index.path, 2, monkeypatch)

    monkeypatch.setattr(library.tables, "refresh", late)
    found = library.tables.answer(question_of("number 1"), [])
    assert [moment.path for moment in found.moments] == ["2025/film 1.mp4"]


def test_an_index_that_could_not_be_read_is_read_at_the_next_question(tmp_path, monkeypatch):
    index = Index.create(tmp_path / "index", FakeEncoder())
    index.add([*rows(facts(1), 1)], facts=[facts(1)])
    library = Library.open(index.path, encoder=FakeEncoder())
    index.add([*rows(facts(2), 2)], facts=[facts(2)])
    data = index.data / "lance"
    data.rename(tmp_path / "away")
    with pytest.raises(SearchIndexError):
        library.search("number 2", target="video")
    (tmp_path / "away").rename(data)
    assert library.search("number 2", k=1, target="video")[0].path.endswith("film 2.mp4")


def test_what_another_process_writes_is_found_without_opening_again(tmp_path):
    index = Index.create(tmp_path / "index", FakeEncoder())
    index.add([*rows(facts(1), 1)], facts=[facts(1)])
    library = Library.open(index.path, encoder=FakeEncoder())
    assert {one.path for one in library.ask(question_of("number 2", target="video")).moments} == {facts(1).path}
    index.add([*rows(facts(2), 2)], facts=[facts(2)])
    index.compact()
    assert library.ask(question_of("number 2", target="video")).moments[0].path == facts(2).path


def test_many_questions_open_no_more_files_and_keep_no_more_memory(library):
    def used():
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return len(os.listdir("/proc/self/fd")), resident

    questions = [question_of(f"number {number}", k=3) for number in range(20)]
    for _ in range(2):
        before = used()
        for question in questions * 3:
            library.ask(question)
    assert used()[0] <= before[0] and used()[1] - before[1] < 8 * 2**20


def test_a_moment_of_the_index_finds_its_like_without_a_model(library):
    tables = library.tables
    span = parse_span("2025/film 7.mp4@0-2")
    assert tables.similar(span, 1).moments[0].path == "2025/film 7.mp4"
    assert tables.similar(parse_span(f"{library.source}/{span}"), 1) == tables.similar(span, 1)
    with pytest.raises(VlsaError, match="that stretch has no audio"):
        tables.similar(span, by="audio")
    with pytest.raises(VlsaError, match="use one of both, video, audio"):
        tables.similar(span, by="smell")
    for k in (0, -1):
        with pytest.raises(VlsaError, match=f"k={k}; 1 to 100,000 answers"):
            tables.similar(span, k)
    for where in ("", "  "):
        with pytest.raises(VlsaError, match="an empty filter"):
            tables.similar(span, where=where)


def test_a_copied_file_is_one_group_of_duplicates_and_a_still_one_is_none(tmp_path):
    index = Index.create(tmp_path / "index", FakeEncoder())
    shown = {"a.mp4": (1, 2, 3), "copy.mp4": (1, 2, 3), "still.mp4": (9, 9, 9)}
    index.add([
        IndexRow(id=f"{path}-{place}", path=path, spaces=("all",), start_seconds=2.0 * place,
                 stop_seconds=2.0 * place + 2, video=concept(number))
        for path, numbers in shown.items() for place, number in enumerate(numbers)
    ])  # fmt: skip
    (group,) = Library.open(index.path, encoder=FakeEncoder()).tables.duplicates(0.98, by="video")
    assert [(one.path, one.start_seconds, one.stop_seconds) for one in group] == [("a.mp4", 0, 6), ("copy.mp4", 0, 6)]


def recorded(library, monkeypatch) -> Path:
    """The folder of the index, which names a run that loads as the stand-in."""
    monkeypatch.setattr(encoders, "load", lambda path: FakeEncoder())
    path = library.tables.index.path
    facts = json.loads((path / "index.json").read_text())
    facts["model"]["run"] = "run"
    (path / "index.json").write_text(json.dumps(facts))
    return path


def test_tables_in_another_process_answer_as_in_this_and_say_when_they_are_lost(library, monkeypatch, tmp_path):
    path = recorded(library, monkeypatch)
    parallel = Library.open(path, parallel=True)
    for question in (question_of("number 11", k=5), question_of("ferry", like_moment=["2025/film 7.mp4@0-4"])):
        assert parallel.ask(question) == library.ask(question)
    with pytest.raises(VlsaError, match="no column 'lngth'"):
        parallel.ask(question_of("number 1", where="lngth > 1"))
    parallel.tables._pipe.close()
    with pytest.raises(SearchIndexError, match="the process that reads the tables ended early"):
        parallel.ask(question_of("number 1"))


def test_a_question_runs_no_python_file_of_the_folder_it_is_asked_in(tmp_path, monkeypatch):
    (tmp_path / "queue.py").write_text("raise SystemExit('a file of the footage was run')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # as under `python -c`
    with pytest.raises(SearchIndexError, match="no such folder"):
        TablesProcess("gone", "").occurs("dog")


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ({}, "the question is empty"),
        ({"text": "seven"}, "no word that this model knows .the model has never seen seven"),
        ({"text": "?!"}, "no word that this model knows"),
        ({"text": " \t"}, "an empty text"),
        ({"text": ""}, "an empty text"),
        ({"text": "number 1", "k": 0}, "k=0"),
        ({"text": "number 1", "target": "smell"}, "in='smell' is not there"),
        ({"text": "red \udcff ball"}, "is not UTF-8"),
    ],
)
def test_questions_that_cannot_be_asked_get_one_line(library, pieces, message):
    with pytest.raises(VlsaError, match=message) as caught:
        library.search(**pieces)
    assert "\n" not in str(caught.value)


def test_words_that_the_model_does_not_know_or_read_are_logged(library, caplog):
    library.search("number 4")
    assert caplog.messages == []
    library.search("the number 4 rotor and number 5 helicopter")
    assert caplog.messages == [
        "the model has never seen: the, rotor, and; the answers follow the other words",
        "the question has 8 words; only the first 5 fit into the model",
    ]


def test_finding_duplicates_in_a_large_index_says_how_long_it_may_take(library, monkeypatch, caplog):
    library.tables.duplicates(0.999)
    assert not caplog.records
    monkeypatch.setattr(tables, "MOST_EXACT", 10)
    library.tables.duplicates(0.999)
    assert "60 windows are compared with each other, which may take 0.0 hours" in caplog.text


def test_the_last_filters_are_remembered_and_a_new_one_is_computed(library):
    for number in [*range(40), 3]:
        kept = library.tables.kept(f"duration = {10 * number}")
        assert kept.sum() == (2 if number < NUM_FILES else 0)
    assert len(library.tables._kept) <= tables.FILTERS_KEPT
