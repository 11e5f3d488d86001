"""The reasons for leaving something out: one source for the document and for the server."""

import re

from command_lines import ROOT

from vlsa.data.reasons import REASONS, markdown_rows


def test_the_document_has_the_same_table():
    written = (ROOT / "docs" / "data.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in written if re.match(r"\| `[a-z_]+` \|.*\|.*\|$", line)] == markdown_rows()


def test_every_reason_says_what_it_means_and_what_helps():
    assert len(REASONS) > 20
    assert all(reason.meaning and reason.remedy for reason in REASONS.values())
