"""The counts beside a filter are the numbers of files that the filter keeps."""

import json

import pytest

from vlsa.retrieve.search.file_filter import SearchedFile, kept_paths
from vlsa.serve.archive.facets import Facets


def file(path: str, *languages: str, columns: dict[str, str] | None = None, **facts: object) -> SearchedFile:
    return SearchedFile(path=path, file_id=path, languages=languages, metadata=json.dumps(columns or {}), **facts)


FILES = [
    file("a.mp4", "en", columns={"crew": "ann", "language": "spoken", "num_files": "x"}, video_codec="h264"),
    file("field/b.mp4", "en-us", "de", columns={"crew": "bob"}, video_codec="h264"),
    file("field/2025/c.mp4", "en-gb", columns={"crew": "Zoe\u0308"}, audio_codec="aac"),
    file("field/2025/03/d.mp4", "pt-br", columns={"crew": "Zo\u00eb", "language": "sung"}),
    file("fields/e.mp4"),
]


def number_kept(where: str) -> int:
    return len(kept_paths(where, FILES))


def as_counts(values: list[dict]) -> dict:
    return {one.get("value", one.get("name")): one["count"] for one in values}


def test_a_language_counts_with_its_regions_and_a_region_with_what_names_none():
    found = as_counts(Facets(FILES).of(FILES)["languages"])
    assert found == {"en": 3, "en-us": 2, "en-gb": 2, "de": 1, "pt-br": 1}
    assert found == {name: number_kept(f"file.language = '{name}'") for name in found}
    some = FILES[:1]  # of which no text is en-us, and which en-us keeps
    assert as_counts(Facets(FILES).of(some)["languages"]) == {"en": 1, "en-us": 1, "en-gb": 1}


def test_a_folder_counts_with_those_below_it_and_the_top_one_without():
    found = as_counts(Facets(FILES).of(FILES)["folders"])
    assert found == {"": 1, "field": 3, "field/2025": 2, "field/2025/03": 1, "fields": 1}
    for name, count in found.items():
        assert count == number_kept(f"folder = '{name}'" + (f" or folder like '{name}/*'" if name else ""))


def test_each_value_of_a_column_counts_under_the_name_that_a_filter_has_for_it():
    facets = Facets(FILES)
    columns = facets.of(FILES)["columns"]
    assert columns.keys() == {"video_codec", "audio_codec", "text_from", "crew", "metadata.language", "num_files"}
    assert as_counts(columns["crew"]) == {"ann": 1, "bob": 1, "Zo\u00eb": 2}  # however its accent is written
    for name, values in columns.items():
        for one in values:
            assert one["count"] == number_kept(f"{name} = '{one['value']}'")
    shown = {column["name"]: as_counts(column["values"]) for column in facets.columns()}
    assert {name: shown[name] for name in columns} == {name: as_counts(values) for name, values in columns.items()}
    assert shown["file.language"] == as_counts(facets.of(FILES)["languages"])


@pytest.mark.parametrize("num_values", [50, 51])
def test_a_column_with_more_values_than_are_shown_is_left_to_its_most_frequent(num_values):
    files = [file(f"{number}.mp4", columns={"crew": f"crew {number}"}) for number in range(num_values)]
    facets = Facets(files)
    assert ("crew" in facets.of(files)["columns"]) == (num_values == 50)
    assert [len(column["values"]) for column in facets.columns() if column["name"] == "crew"] == [50]
