"""The Python examples of docs/search.md give what the page says."""

import doctest

from command_lines import ROOT


def test_the_examples_of_the_page_give_what_it_says():
    text = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(text, {}, "docs/search.md", "docs/search.md", 0)
    runner = doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    runner.run(test, out=said.append)
    assert said == [] and runner.tries > 10
