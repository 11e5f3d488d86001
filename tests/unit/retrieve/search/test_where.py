"""A filter is read whole, or refused; Python and the database keep the same rows."""

from datetime import date, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlsa.base.errors import VlsaError
from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.retrieve.index.lance_schema import file_columns, file_schema
from vlsa.retrieve.search.where.columns import FilterColumns, column_kinds, is_number
from vlsa.retrieve.search.where.evaluate import matches, passes
from vlsa.retrieve.search.where.expression import All, Any, Comparison, Days, Like, Missing, Not
from vlsa.retrieve.search.where.parse import parse
from vlsa.retrieve.search.where.sql import to_sql

COLUMNS = {"duration": "number", "name": "text", "folder": "text", "recorded": "date", "has_text": "boolean"}


def test_the_example_is_the_tree_that_it_says():
    read = parse("duration > 60 and folder = 'field/2025' and not has_text or name like '*.mp4'", COLUMNS)
    has_text = Comparison("has_text", "boolean", "=", True)
    long, field = Comparison("duration", "number", ">", 60.0), Comparison("folder", "text", "=", "field/2025")
    assert read == Any((All((long, field, Not(has_text))), Like("name", "*.mp4")))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("duration > 60", ["long"]),
        ("duration >= 60 and duration<=60.0", ["short"]),
        ("not duration > 60", ["short"]),
        ("duration is null", ["unknown"]),
        ("duration is not null", ["long", "short"]),
        ("name in ('SHORT.MP4', 'x')", ["short"]),
        ("name not in ('SHORT.MP4', 'x')", ["long", "unknown"]),
        ("name like '*.mp4'", ["long", "short"]),
        ("name not like '*.mp4'", ["unknown"]),
        ("name like '????.mp4'", ["long"]),
        ("has_text", ["long"]),
        ("not has_text", ["short"]),
        ("has_text != true", ["short"]),
        ("recorded = 2025-03-01", ["long"]),
        ("recorded = 2025-03", ["long", "short"]),
        ("recorded != 2025-03-01", ["short"]),
        ("recorded > 2025-03-01", ["short"]),
        ("recorded >= '2025-03-01' and recorded < 2026", ["long", "short"]),
        ("recorded <= 2025-03-01 or has_text = false", ["long", "short"]),
        ("(duration > 60 or duration is null) and not name = ''", ["long", "unknown"]),
        ("name = 'it''s'", []),
        ('"name" = \'long.mp4\' and "duration" > 60', ["long"]),
    ],
)
def test_rows_are_kept_where_the_filter_is_true(text, kept):
    rows = {
        "long": {"duration": 90.5, "name": "long.mp4", "has_text": True, "recorded": datetime(2025, 3, 1, 23, 59)},
        "short": {"duration": 60, "name": "SHORT.MP4", "has_text": False, "recorded": "2025-03-02T10:00:00"},
        "unknown": {"duration": None, "name": "sound.wav", "recorded": None},
    }
    assert [name for name, row in rows.items() if passes(parse(text, COLUMNS), row)] == kept


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'the end' where the name of a column belongs"),
        ("duraton > 60", "Did you mean duration?"),
        ("zzzz > 60", "Known are duration, folder, has_text, name, recorded."),
        ("duration > '60'", "duration is a number, '60' is none"),
        ("duration > 1e999", "is a number"),
        ("name = 5", "name is a text"),
        ("name = 'a", "a quotation mark that is never closed"),
        ("duration", "duration is compared with nothing"),
        ("recorded = 2025-13-01", "recorded is a date"),
        ("recorded = 2025-02-30", "recorded is a date"),
        ("has_text > true", "has no order"),
        ("duration like '6*'", "like compares texts"),
        ("duration > 60)", "')' cannot be read"),
        ("(duration > 60", "')' is missing"),
        ("duration in ()", "duration is a number"),
        ("duration > 60; drop table clips", "'; drop table clips' cannot be read"),
        ("duration > 60 -- all", "cannot be read"),
        ("1 = 1", "where the name of a column belongs"),
        ("not " * 60 + "has_text", "more than 50"),
        ("(" * 3000 + "has_text" + ")" * 900, "more than 50"),
        ("duration > 60 and" * 400, "4000 are read"),
        ("name = 'a\0b'", "name is a text"),
        ("duration > 60 union select 1", "cannot be read"),
        ('name = "a.mp4"', "Names of columns stand in double quotation marks; write a text in single ones."),
        ("'name' = 'a'", "where the name of a column belongs"),
        ('"nam" = 5', "Did you mean name?"),
        ('"" = 5', "there is no column ''"),
        ("name = ‘a’", "Texts stand in straight quotation marks"),
        ("name = “a”", "Texts stand in straight quotation marks"),
        ("duration > 1:30", "lengths are in seconds (90, not 1:30)"),
        ("duration > 90s", "A number has no unit"),
        ("duration > 2 && has_text", "The words are and, or, not."),
        ("!has_text", "The words are and, or, not."),
        ("duration > 60 * 2", "Nothing is computed"),
        ("duration = null", "nothing equals null"),
        *((f"recorded > {date}", "A date is written 2025-03-01") for date in ("2025-3-1", "2025/03/01", "1.3.2025")),
        ("name = 9", "Write name = '9'."),
        ("name in (2025-03-01)", "Write name = '2025-03-01'."),
        ("folder = field", "Write folder = 'field'."),
        ("recorded = 2025-03-01T12:00", "cannot be read"),
        ("name > 9", "Write name > '9'."),
        ("name like 9", "Write name like '9'."),
        ("duration >= '60'", "Write duration >= 60."),
        ("has_text = yes", "Write has_text."),
        ("has_text != 'True'", "Write not has_text."),
        ("has_text = 'off'", "Write not has_text."),
        ("name = film-0.mp4", "'film-0.mp4' without quotation marks in 'name = film-0.mp4'"),
        ("duration > 1 and name != it's.mp4", "Write name != 'it''s.mp4'."),
        ("(folder = field/2025)", "Write folder = 'field/2025'."),
        ("name like film-*.mp4", "Write name like 'film-*.mp4'."),
        ("duration between 1 and 3", "Write duration >= 1 and duration <= 3."),
        ("name contains 'a'", "Write name like '*part*'."),
    ],
)
def test_what_is_no_filter_is_one_line(text, said):
    with pytest.raises(VlsaError) as caught:
        parse(text, COLUMNS)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_of_several_values_a_comparison_is_true_of_any_and_unequal_of_none():
    def keeps(text: str) -> bool:
        return passes(parse(text, COLUMNS), {"name": ("de", "en")})

    assert keeps("name = 'de'") and keeps("name in ('fr', 'en')") and keeps("name like 'd*'") and keeps("name != 'fr'")
    assert not keeps("name = 'fr'") and not keeps("name != 'en'") and not keeps("name not in ('fr', 'en')")
    assert not keeps("name is null") and not keeps("name like 'f*'")


def test_the_names_in_the_table_may_differ():
    assert to_sql(parse("duration > 60", COLUMNS), {"duration": "duration_seconds"}) == "`duration_seconds` > 60.0"


def test_a_pattern_means_its_other_signs_as_they_are():
    assert matches("100%_[a].*", "100%_[A].mp4") and not matches("100%", "100x") and not matches("a_b", "axb")


letters = st.text(alphabet="aB'\"%_\\*?é/.-; \n", max_size=6)
numbers = st.integers(-3, 3).map(float) | st.sampled_from([0.5, 1e-7, 123456789.25])
days = st.dates(date(2024, 12, 30), date(2025, 3, 3))
signs = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


conditions = st.one_of(
    st.builds("duration {} {}".format, signs, numbers),
    st.builds("name {} {}".format, signs, letters.map(quoted)),
    st.builds("name like {}".format, letters.map(quoted)),
    st.builds("folder not like {}".format, letters.map(quoted)),
    st.builds("recorded {} {}".format, signs, days | st.sampled_from(["2025", "2025-02", "2024-12"])),
    st.builds("duration not in ({}, {})".format, numbers, numbers),
    st.sampled_from(["has_text", "has_text = false", "duration is null", "name is not null"]),
)
filters = st.recursive(
    conditions,
    lambda part: st.one_of(
        st.builds("({} and {})".format, part, part),
        st.builds("({} or {})".format, part, part),
        st.builds("not ({})".format, part),
    ),
    max_leaves=6,
)


IN_TABLE = {"duration": "duration_seconds", "name": "path", "folder": "subtitle_language", "recorded": "recorded_at"}
"""Columns of the table of files; texts of it stand for name and folder."""


def made_row(random):
    """A row of short texts of odd signs, near numbers and near times; a quarter of the values are missing."""
    time = datetime(2024, 12, 30) + timedelta(random.randrange(64), random.choice([0, 1, 43_200, 86_399]))
    values = {
        "duration_seconds": random.choice([-2.0, -1.0, 0.0, 0.5, 1e-7, 3.0, 123456789.25]),
        "path": "".join(random.choices("aB'\"%_\\*?é/.-; \n", k=random.randrange(4))),
        "subtitle_language": "".join(random.choices("aB'%_\\", k=random.randrange(3))),
        "recorded_at": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        "has_text": random.random() < 0.5,
    }
    return {name: None if random.random() < 0.25 else value for name, value in values.items()}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    import lancedb
    import pyarrow

    random = Random(0)
    rows = [{"file_id": f"{number:016x}", **made_row(random)} for number in range(250)]
    found = pyarrow.Table.from_pylist(rows, file_schema("index"))
    return lancedb.connect(str(tmp_path_factory.mktemp("where"))).create_table("files", found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(filters)
def test_python_and_the_database_keep_the_same_rows(table, text):
    expression = parse(text, COLUMNS)
    found = table.search().where(to_sql(expression, IN_TABLE)).select(["file_id"]).limit(1000).to_list()
    rows = [row | {name: row[column] for name, column in IN_TABLE.items()} for row in table.to_arrow().to_pylist()]
    assert sorted(row["file_id"] for row in found) == [row["file_id"] for row in rows if passes(expression, row)]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("recorded = 2025-03-01", ["00:00", "23:59"]),
        ("recorded != 2025-03-01", ["before", "after"]),
        ("recorded < 2025-03-01", ["before"]),
        ("recorded <= 2025-03", ["00:00", "23:59", "after", "before"]),
        ("recorded > 2025-02", ["00:00", "23:59", "after"]),
        ("recorded >= 2025-03-02", ["after"]),
        ("recorded is null", ["unknown"]),
    ],
)
def test_the_days_of_files_are_found_in_a_table_written_from_facts(recorded, text, kept):
    found = recorded.search().where(to_sql(parse(text, COLUMNS), {"recorded": "recorded_at"})).to_list()
    assert sorted(row["path"] for row in found) == sorted(kept)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    import lancedb

    times = {
        "before": "2025-02-28T23:59:59Z",
        "00:00": "2025-03-01T00:00:00Z",
        "23:59": "2025-03-01T23:59:59Z",
        "after": "2025-03-02T00:00:00Z",
        "unknown": None,
    }
    facts = [FileFacts(path=name, file_id=name, recorded_at=time) for name, time in times.items()]
    return lancedb.connect(str(tmp_path_factory.mktemp("days"))).create_table("files", file_columns(facts))


ROWS = [
    {"camera model": "A7", "shot-date": "2025-03", "rating": "9", "reel": "007", "language": "de", "and": "x"},
    {"camera model": "FX3", "rating": "10", "reel": "12", "score": " -1.5e1", 'a"b': "q"},
    {"rating": ".5", "score": "n/a", "metadata.place": "pier"},
]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("rating > 9", [1]),
        ("rating <= 9", [0, 2]),
        ("\"camera model\" = 'FX3'", [1]),
        ("\"shot-date\" like '2025*'", [0]),
        ("\"and\" = 'x'", [0]),
        ('"a""b" = \'q\'', [1]),
        ("reel = '007'", [0]),
        ("score = 'n/a'", [2]),
        ("metadata.place = 'pier'", [2]),
        ("metadata.language = 'de'", [0]),
        ("file.language = 'en'", [1]),
        ("\"file.language\" = 'en' or metadata.language is not null", [0, 1]),
        ("rating is null", []),
        ("score is null and sound = 'x'", [0]),
    ],
)
def test_columns_of_a_table_of_any_names_are_compared_as_what_they_hold(text, kept):
    columns = FilterColumns.of({"language": "text", "sound": "text"}, ROWS)
    facts = [{"language": language, "sound": "x"} for language in ("fr", "en", None)]
    read = parse(text, columns.kinds)
    rows = [columns.row(fact, row) for fact, row in zip(facts, ROWS, strict=True)]
    assert [number for number, row in enumerate(rows) if passes(read, row)] == kept


def test_a_name_that_is_a_fact_and_a_column_is_refused_with_both_names():
    columns = FilterColumns.of({"language": "text"}, ROWS).kinds
    with pytest.raises(VlsaError, match=r"'language' is both file\.language and metadata\.language in "):
        parse("language = 'de'", columns)
    with pytest.raises(VlsaError, match='Did you mean "camera model"'):
        parse("camera_model = 'A7'", columns)
    with pytest.raises(VlsaError, match='Write "camera model" = '):
        parse('"camera model" = 7', columns)


def test_a_text_that_is_nearly_a_number_says_which_value_is_none():
    columns = FilterColumns.of({}, [*ROWS, {"score": "11"}, {"reel": "x"}])
    assert columns.no_numbers == {"score": "n/a", "reel": "007"}
    with pytest.raises(VlsaError, match=r"score is a text \('n/a' is no number\), '1' is none .* Write score > '1'"):
        parse("score > 1", columns.kinds, columns.no_numbers)
    with pytest.raises(VlsaError, match="'and' is a word of filters in .* Write \"and\" for the column"):
        parse("and = 'x'", columns.kinds)


def test_a_column_is_a_number_where_every_value_is_written_as_one():
    kinds = column_kinds(ROWS)
    assert [name for name, kind in kinds.items() if kind == "number"] == ["rating"]
    assert {*kinds} == {name for row in ROWS for name in row} and column_kinds([]) == {}
    numbers = ["0", "10", "-3", "+2.50", ".5", "5.", "1e3", "2.5E-3", " 7 "]
    others = ["", " ", "007", "1_000", "1,5", "nan", "inf", "0x1f", "1e999", "٣", "-", ".", "2025-03-01", "1 2"]
    numbers += ["9007199254740992", "0.30000000000000004", "1e99"]
    others += ["9007199254740993", "-1849302758473920512", "9" * 400, "." + "1" * 400]
    assert [text for text in numbers + others if is_number(text)] == numbers


def test_long_ids_are_told_apart():
    rows = [{"post": "1849302758473920512"}, {"post": "1849302758473920513"}]
    columns = FilterColumns.of({}, rows)
    read = parse("post = '1849302758473920513'", columns.kinds)
    assert [passes(read, columns.row({}, row)) for row in rows] == [False, True]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(max_size=40) | st.text(alphabet="durationame <>='\"()*andorlike-;12", max_size=40))
def test_whatever_is_typed_is_a_filter_or_an_error(text):
    try:
        read = parse(text, COLUMNS)
    except VlsaError as error:
        assert "\n" not in str(error)
    else:
        assert to_sql(read)


@given(st.text(max_size=20))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_text_in_a_filter_is_that_text_and_nothing_else(value):
    try:
        read = parse(f"name = {quoted(value)}", COLUMNS)
    except VlsaError:
        assert "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value)
    else:
        assert read == Comparison("name", "text", "=", value)
        assert to_sql(read) == f"`name` = {quoted(value)}"


def test_a_day_has_an_end_and_so_have_a_month_and_a_year():
    spans = {text: parse(f"recorded = {text}", COLUMNS).value for text in ("2024-02-29", "2024-02", "2024")}
    assert spans["2024-02-29"] == Days(date(2024, 2, 29), date(2024, 3, 1))
    assert spans["2024-02"] == Days(date(2024, 2, 1), date(2024, 3, 1))
    assert spans["2024"] == Days(date(2024, 1, 1), date(2025, 1, 1))
    assert parse("duration is null", COLUMNS) == Missing("duration")


def alike(pattern, text):
    """Whether a text is what a pattern says, by the beginnings of the text that the pattern so far can be."""
    reached = [True] + [False] * len(text)
    for sign in pattern:
        if sign == "*":
            reached = [any(reached[: place + 1]) for place in range(len(reached))]
        else:
            reached = [False] + [here and sign in ("?", one) for here, one in zip(reached, text, strict=False)]
    return reached[-1]


@given(st.text(alphabet="ab*?.", max_size=10), st.text(alphabet="ab.\n", max_size=10))
def test_a_pattern_with_stars_is_what_it_says(pattern, text):
    assert matches(pattern, text) == alike(pattern, text)


def test_no_pattern_takes_long():
    for pattern in ("*a" * 200 + "*b", "a*" * 200 + "b", "*" * 3000 + "b", "*?" * 300 + "b"):
        assert not matches(pattern, "a" * 4000)  # with backtracking this would not end


def test_a_column_in_other_capitals_is_named():
    with pytest.raises(VlsaError, match="Did you mean duration"):
        parse("DURATION > 5", COLUMNS)
