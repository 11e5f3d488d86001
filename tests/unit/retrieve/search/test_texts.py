"""Words that occur are found, whole and in order where they are quoted."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlsa.base.errors import SearchIndexError
from vlsa.retrieve.index.words import COLUMN, find_words, index_words, normalised
from vlsa.retrieve.search.texts import WindowTexts, occurs, of_windows
from vlsa.retrieve.search.windows import Windows


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("dog", "A Dog."),
        ("white ship", "the horn of a WHITE\n ship, twice"),
        ("cafe", "am Café vorbei"),
        ("café", "cafe"),
        ("café", "cafe\u0301"),
        ("strasse", "Die Straße"),
        ("ﬁre", "fire!"),
        ("ship's horn", "a ship’s horn"),
        ("re-entry", "the re-entry of it"),
        ("re entry", "the re-entry of it"),
        ("狗在", "一只狗在叫"),
        ("чайка", "Чайка кричит"),
        ("100", "100%"),
    ],
)
def test_a_phrase_occurs_whatever_the_case_accents_and_punctuation(phrase, text):
    assert occurs(phrase, text)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("dog", "dogma"),
        ("dog", "hotdog"),
        ("white ship", "ship white"),
        ("white ship", "white old ship"),
        ("и", "й"),
        ("100", "1000"),
        ("...", "anything..."),
        ("a.c", "abc"),
        ("dog", ""),
    ],
)
def test_a_phrase_is_whole_words_in_their_order(phrase, text):
    assert not occurs(phrase, text)


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("हिन्दी में", "हिन्दी में"),
        ("தமிழ் மொழி!", "தமிழ் மொழி"),
        ("ภาษาไทย", "ภาษาไทย"),
        ("ជំរាបសួរ", "ជំរាបសួរ"),
        ("שָׁלוֹם", "שָׁלוֹם"),
        ("Йод, ёлка, за\u0301мок", "йод елка замок"),
        ("Ґанок і їжа", "ґанок і їжа"),
        ("Ευρώπη ΰ Σίσυφος", "ευρωπη υ σισυφοσ"),
        ("Việt Nam, Ærø", "viet nam ærø"),
        ("ｶﾞ が", "ガ が"),
        ("한국어", "한국어"),
        ("snake_case’s 100%", "snake case s 100"),
        ("1\ufe0f\u20e3 \u2764\ufe0f dog", "1 dog"),
        ("so\u00adft \u0645\u06cc\u200c\u062e\u0648", "soft \u0645\u06cc\u062e\u0648"),
    ],
)
def test_a_text_keeps_its_letters_marks_and_numbers_and_loses_the_accents_of_latin_greek_and_cyrillic(text, compared):
    assert unicodedata.normalize("NFC", normalised(text)) == unicodedata.normalize("NFC", compared)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=30) | st.text(alphabet="aåе\u0308\u0301กा\u200d \u0323.１", max_size=12))
def test_a_text_that_is_compared_is_compared_as_it_is(text):
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("पानी", "यह पानी है"),
        ("狗在叫", "一只狗，在叫。"),
        ("狗 在叫", "一只狗在叫"),
        ("犬が", "大きな犬が吠える"),
        ("ภาษา", "คนพูดภาษาไทย"),
        ("ภาษา ไทย", "คนพูดภาษาไทย"),
        ("ពិភព", "សួស្តីពិភពលោក"),
        ("iphone", "我的iPhone手机"),
        ("3", "第3章"),
    ],
)
def test_a_phrase_is_found_in_scripts_with_vowel_signs_and_in_those_without_spaces(phrase, text):
    assert occurs(phrase, text)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("की", "का"),
        ("क", "की"),
        ("का", "काम"),
        ("ก", "กา"),
        ("กา", "เกา"),
        ("น", "น้ำ"),
        ("か", "が"),
        ("狗叫", "一只狗在叫"),
        ("phone", "我的iPhone手机"),
    ],
)
def test_a_phrase_tears_no_letter_from_its_vowel_signs(phrase, text):
    assert not occurs(phrase, text)


def test_a_text_counts_for_the_windows_during_which_it_is_shown():
    windows = Windows(np.array([1, 0, 0, 0]), np.array([0.0, 4.0, 0.0, 2.0]), np.array([4.0, 8.0, 4.0, 6.0]))
    texts = Windows(np.array([0, 0, 0, 2]), np.array([4.0, 5.0, 0.0, 0.0]), np.array([5.0, 5.5, 9.0, 9.0]))
    scores = of_windows(texts, np.array([1.0, 3.0, np.nan, 7.0]), windows)
    np.testing.assert_array_equal(scores, [np.nan, 3, np.nan, 3])
    np.testing.assert_array_equal(of_windows(texts, np.array([np.nan, np.nan, 2.0, 7.0]), windows), [np.nan, 2, 2, 2])


def test_the_best_text_of_a_window_is_that_of_all_pairs():
    generator = np.random.default_rng(0)

    def spans(count):
        start = generator.uniform(0, 50, count).round(1)
        return Windows(generator.integers(0, 5, count), start, start + generator.uniform(0.1, 9, count).round(1))

    windows, texts, scores = spans(60), spans(40), generator.normal(size=40)
    shown = (
        (texts.file[None] == windows.file[:, None])
        & (texts.start_seconds[None] < windows.stop_seconds[:, None])
        & (texts.stop_seconds[None] > windows.start_seconds[:, None])
    )
    expected = [scores[row].max() if row.any() else np.nan for row in shown]
    np.testing.assert_array_equal(of_windows(texts, scores, windows), expected)


def laid_out(cues, windows, languages=None):
    """Texts of (file, start, stop, text) in windows of (file, start, stop)."""

    def places(rows):
        return Windows(*(np.array(column) for column in zip(*(row[:3] for row in rows), strict=True)))

    return WindowTexts.of([normalised(cue[3]) for cue in cues], places(cues), places(windows), languages)


FOUR_WINDOWS = [(0, 0.0, 4.0), (0, 4.0, 8.0), (0, 8.0, 12.0), (1, 0.0, 4.0)]
TALK = [
    (0, 1.0, 3.9, "She said: Open the"),
    (0, 0.0, 12.0, "two people talk"),  # a caption of it all
    (0, 4.1, 6.0, "♪"),
    (0, 4.6, 7.0, "door, and come in!"),
    (0, 9.0, 10.0, "He stays"),
    (1, 0.0, 3.0, "door and come"),
]


@pytest.mark.parametrize(
    ("phrases", "found"),
    [
        (["open the door"], [True, True, False, False]),
        (["said open the door and come in"], [True, True, False, False]),
        (["open the", "come in"], [False, False, False, False]),
        (["open the door", "come in"], [False, True, False, False]),
        (["come in he stays"], [False, False, False, False]),  # two seconds apart
        (["he stays door"], [False, False, False, False]),  # of two files
        (["two people talk", "stays"], [False, False, True, False]),
        (["the", "door"], [False, False, False, False]),
        (["door"], [False, True, False, True]),
        ([], [True, True, True, True]),
        (["..."], [False, False, False, False]),
    ],
)
def test_a_phrase_goes_on_from_cue_to_cue_and_occurs_where_a_part_of_it_is_shown(phrases, found):
    texts = laid_out(TALK, FOUR_WINDOWS)
    assert texts.windows_with(phrases).tolist() == found
    words = np.array([np.nan, 0.5, np.nan, 3.0, np.nan, np.nan])
    scores = [1.0, 3.0, 1.0, 1.0] if phrases else [0.5, 3.0, 0.5, np.nan]
    expected = [score if there else np.nan for score, there in zip(scores, found, strict=True)]
    np.testing.assert_array_equal(texts.scores(words, phrases), expected)


def test_two_phrases_in_two_cues_of_one_window_are_both_in_it():
    texts = laid_out([(0, 0.0, 1.0, "a dog"), (0, 3.0, 4.0, "a bell")], [(0, 0.0, 4.0), (0, 2.0, 6.0)])
    assert texts.windows_with(["dog", "bell"]).tolist() == [True, False]


def test_two_languages_at_one_time_are_two_texts():
    cues = [(0, t, t + 2.0, word) for t, pair in [(0.0, ("open", "ouvre")), (2.0, ("the", "la"))] for word in pair]
    texts = laid_out(cues, [(0, 0.0, 4.0)], ["en", "fr", "en", "fr"])
    found = [texts.windows_with([phrase]).tolist() for phrase in ("open the", "ouvre la", "open la", "ouvre the")]
    assert found == [[True], [True], [False], [False]]


def test_cues_that_overlap_and_chinese_ones_are_read_in_their_order():
    rolling = [(0, 0.0, 3.0, "ha"), (0, 2.0, 5.0, "ha"), (0, 4.0, 7.0, "ha")]
    windows = [(0, float(start), start + 1.0) for start in range(8)]
    assert laid_out(rolling, windows).windows_with(["ha ha"]).tolist() == [True] * 7 + [False]
    assert laid_out(rolling, windows).windows_with(["ha ha ha ha"]).tolist() == [False] * 8
    assert laid_out([(0, 0.0, 1.0, "一只狗"), (0, 1.0, 2.0, "在叫")], windows[:2]).windows_with(["狗在"]).tolist() == [
        True,
        True,
    ]


def test_an_index_without_texts_has_no_phrases():
    none = Windows(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    texts = WindowTexts.of([], none, Windows(np.array([0]), np.array([0.0]), np.array([4.0])))
    assert texts.windows_with(["dog"]).tolist() == [False] and texts.windows_with([]).tolist() == [True]
    np.testing.assert_array_equal(texts.scores(None), [np.nan])


SENTENCES = [
    "A dog barks at the postman",
    "Two dogs are barking loudly",
    "The café on the corner is open",
    "Der Zug fährt über die Brücke",
    "the horn of a white ship, twice",
    "he runs every day",
    "a dogma is not a barking matter",
    "number 42 is the answer",
    "一只狗在叫",
    "l'été à la plage",
]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    import lancedb

    rows = [{"id": number, COLUMN: normalised(text), "even": number % 2 == 0} for number, text in enumerate(SENTENCES)]
    table = lancedb.connect(str(tmp_path_factory.mktemp("words"))).create_table("texts", rows)
    index_words(table)
    return table


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("dog", {0, 1}),
        ("a barking dog", {0, 1}),
        ("DOGS barks", {0, 1}),
        ("cafe", {2}),
        ("CAFÉ", {2}),
        ("fahrt brucke", {3}),
        ("run", {5}),
        ("42", {7}),
        ("狗", {8}),
        ("ete", {9}),
        ("die brücke", {3}),
        ("ship dog", set()),
        ("zebra", set()),
        ("the", set()),
        ("';drop table texts", set()),
        ("dog OR ship", set()),
        ('"dog', {0, 1}),
    ],
)
def test_all_words_of_a_question_are_found_in_their_forms(table, words, found):
    assert {row for row, _ in find_words(table, words, 10)} == found


def test_words_are_found_among_the_rows_of_a_filter_and_the_best_come_first(table):
    assert [row for row, _ in find_words(table, "dog", 10, where="`even`")] == [0]
    scores = [score for _, score in find_words(table, "dog", 10)]
    assert scores == sorted(scores, reverse=True) and len(find_words(table, "dog", 1)) == 1


def test_a_table_without_a_full_text_index_is_one_line(tmp_path):
    import lancedb

    table = lancedb.connect(str(tmp_path)).create_table("texts", [{"id": 1, "text": "dog", "number": 2}])
    with pytest.raises(SearchIndexError, match="cannot be searched"):
        find_words(table, "dog", 1, column="number")
