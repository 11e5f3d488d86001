"""The demo's numbers in the documents are those of the committed records, and the records are those of the code."""

import re

import demo_results
import pytest
from command_lines import ROOT

RECORDS = demo_results.read_records()


def table_after(path: str, marker: str) -> str:
    found = re.search(rf"<!-- {marker} -->\n((?:\|.*\n)+)", (ROOT / path).read_text(encoding="utf-8"))
    assert found is not None
    return found[1].strip()


def test_the_readme_shows_the_committed_results():
    assert 0 in RECORDS
    assert table_after("README.md", "results") == demo_results.readme_table(RECORDS)


def test_the_page_of_results_shows_the_committed_results():
    assert table_after("docs/results.md", "seeds") == demo_results.seeds_table(RECORDS)


@pytest.mark.parametrize("seed", RECORDS)
def test_the_committed_results_are_of_the_settings_of_this_code(seed):
    """A setting that is new since then is no difference: what it does to the numbers shows in the numerics."""
    held, now = RECORDS[seed]["settings"], demo_results.settings()

    def kept(then: object, today: object) -> object:
        if not (isinstance(then, dict) and isinstance(today, dict)):
            return today
        return {name: kept(value, today.get(name)) for name, value in then.items()}

    assert kept(held, now) == held, "run bench/demo_results.py"


def test_the_committed_results_are_of_the_numerics_of_this_code():
    now = demo_results.numerics()
    for record in RECORDS.values():
        assert now == pytest.approx(record["numerics"], rel=1e-3), "run bench/demo_results.py"
