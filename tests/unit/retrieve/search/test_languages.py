"""A language is one code by whatever it is called, in a filter and in the index."""

import pytest

from vlsa.base.errors import VlsaError
from vlsa.retrieve.search.file_filter import SearchedFile, kept_paths
from vlsa.retrieve.search.languages import language_code, languages_meant

HELD = {"en", "en-us", "en-gb", "fr", "pt-br", "qaa"}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *((name, "en") for name in ("en", "EN", " en ", "eng", "English", "ENGLISH")),
        *((name, "fr") for name in ("fre", "fra", "French", "français", "Francais", "franc\u0327ais")),
        *((name, "de") for name in ("ger", "deu", "German", "deutsch")),
        *((name, "zh") for name in ("zho", "chi", "cmn", "Chinese", "Mandarin", "中文")),
        *((name, "nb") for name in ("nob", "Bokmål", "norwegian bokmal")),
        *(("Tiếng Việt", "vi"), ("日本語", "ja"), ("हिन्दी", "hi"), ("Luba-Katanga", "lu"), ("Scottish Gaelic", "gd")),
        *(("jw", "jv"), ("iw", "he"), ("yue", "yue"), ("Cantonese", "yue")),  # as Whisper and old players call them
        *(("en-US", "en-us"), ("eng_US", "en-us"), ("fre-CA", "fr-ca"), ("zh-Hant", "zh-hant"), ("QAA", "qaa")),
    ],
)
def test_a_language_is_one_code_by_whatever_it_is_called(name, code):
    assert language_code(name) == code == language_code(code)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("English", ["en", "en-gb", "en-us"]),
        ("en-US", ["en", "en-us"]),
        ("eng-au", ["en"]),
        ("Portuguese", ["pt-br"]),
        ("pt-PT", []),
        ("qaa", ["qaa"]),
        ("Spanish", []),
        ("e", None),
        ("Klingonese", None),
    ],
)
def test_a_name_means_its_regions_and_a_region_what_names_none(name, meant):
    if meant is not None:
        assert languages_meant(name, HELD) == meant
        return
    with pytest.raises(VlsaError, match="no language is called"):
        languages_meant(name, HELD)


def test_a_name_that_no_language_has_is_one_line_with_the_nearest_and_those_of_the_index():
    files = [SearchedFile(path="a", file_id="a", languages=("en", "qaa")), SearchedFile(path="b", file_id="b")]
    for where in ("language = 'Englsh'", "language != 'englsh'", "not language in ('fr', 'Englsh')"):
        with pytest.raises(VlsaError) as caught:
            kept_paths(where, files)
        assert "Did you mean English? The index holds en (English), qaa." in str(caught.value)
    with pytest.raises(VlsaError, match=r"'xyz'; nothing was searched\. No text of the index says its language\."):
        kept_paths("language = 'xyz'", files[1:])


def test_a_filter_keeps_the_files_of_a_language_by_each_of_its_names():
    languages = {"a": ("en",), "b": ("en-us", "fr"), "c": ("fr",), "d": ()}
    files = [SearchedFile(path=path, file_id=path, languages=spoken) for path, spoken in languages.items()]
    for name in ("en", "eng", "English", "en-US"):
        assert kept_paths(f"language = '{name}'", files) == {"a", "b"}
        assert kept_paths(f"language in ('{name}', 'German')", files) == {"a", "b"}
        assert kept_paths(f"language != '{name}'", files) == {"c"}
        assert kept_paths(f"not language = '{name}'", files) == {"c"}
    assert kept_paths("language = 'en-GB'", files) == {"a"}
    assert kept_paths("language = 'German'", files) == kept_paths("language = 'de-AT'", files) == set()
    assert kept_paths("language != 'German'", files) == {"a", "b", "c"}


def test_the_language_of_a_column_of_metadata_is_a_text_as_any_other():
    files = [SearchedFile(path="a", file_id="a", languages=("en",), metadata='{"language": "English"}')]
    assert kept_paths("metadata.language = 'English' and file.language = 'English'", files) == {"a"}
    assert kept_paths("metadata.language = 'en'", files) == set()
