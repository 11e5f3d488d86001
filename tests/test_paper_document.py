"""docs/paper.md is complete: every equation, table, figure and option is in a row, with code and a test that exist."""

import ast
import dataclasses
import re
from functools import cache
from itertools import pairwise

import pytest
from command_lines import ROOT

from vlsa.config import DecoderConfig, EncoderConfig, ObjectiveConfig

TEXT = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
VERDICTS = ("same", "changed", "silent", "beyond")
EQUATIONS = ("Eq. 1", "Eq. 3-4", "Eq. 5", "Eq. 6", "Eq. 7", "Eq. 8")
TABLES = ("Table 2", "Table 3", "Table 4", "Table 5", "Table 7", "Figure 3", "Figure 4", "Figure 5")
NUMBERS = (
    "224 x 224",
    "1022",
    "256 x 256",
    "30,522",
    "75%",
    "15%",
    "1e-4",
    "0.01",
    "2048",
    "200,000",
    "20 epochs",
    "156 M",
)
UNTESTED = ("(silent) initial weights",)
"""Rows whose third column may say that there is no test of its own."""


def sections() -> dict[str, list[list[str]]]:
    """The cells of every table of four columns, by the heading above it; without the header."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in TEXT.splitlines():
        heading = line.removeprefix("## ") if line.startswith("## ") else heading
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 4 and not set(line) <= set("|- "):
            found.setdefault(heading, []).append(cells)
    return {name: rows[1:] for name, rows in found.items()}


ROWS = [row for rows in sections().values() for row in rows]
FILES = sorted((ROOT / "vlsa").rglob("*.py"))


@cache
def names_in_code() -> set[str]:
    """Functions, classes and `Class.member` of the source; a member may be a method, a field or a property."""
    names = set()
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        for kind in (node for node in tree.body if isinstance(node, ast.ClassDef)):
            members = [n.name for n in kind.body if isinstance(n, ast.FunctionDef)]
            members += [
                n.target.id for n in kind.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
            ]
            names |= {f"{kind.name}.{member}" for member in members}
    return names


def test_the_document_has_its_parts():
    assert len(ROWS) > 45
    assert len(sections()) >= 5


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:50] for row in ROWS])
def test_a_row_has_code_that_exists_a_test_and_a_verdict(row):
    statement, code, tests, verdict = row
    named = re.findall(r"`([A-Za-z_][\w.]*)`", code)
    named = [name for name in named if not name.startswith(SETTINGS) and name not in COMMANDS]
    assert named or "](" in code, f"{statement}: names no code"
    assert [name for name in named if name not in names_in_code()] == []
    assert re.search(r"test_\w+\.py|parity: `|tests/unit/|in \[test", tests) or statement.startswith(UNTESTED), (
        statement
    )
    assert verdict.lower().startswith(VERDICTS), f"{statement}: {verdict[:30]}"


SETTINGS = ("model.", "encoder.", "decoder.", "objective.", "train.", "compute.")
COMMANDS = {"prepare", "finetune", "evaluate"}


@pytest.mark.parametrize("fact", [*EQUATIONS, *TABLES, *NUMBERS])
def test_every_equation_table_figure_and_number_of_the_paper_is_in_a_row(fact):
    assert any(fact in row[0] for row in ROWS), fact


def functions_of(module: str) -> list[str]:
    tree = ast.parse((ROOT / "vlsa" / "model" / module).read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


@pytest.mark.parametrize("name", functions_of("losses.py"))
def test_every_loss_is_explained(name):
    assert f"`{name}`" in TEXT


KINDS = {"objective": ObjectiveConfig, "encoder": EncoderConfig, "decoder": DecoderConfig}
PLAIN = {"num_layers", "width", "num_heads", "mlp_ratio"}
"""Sizes, which the rows on encoder and decoder give as numbers."""


@pytest.mark.parametrize(
    ("group", "name"),
    [(g, f.name) for g, kind in KINDS.items() for f in dataclasses.fields(kind) if f.name not in PLAIN],
)
def test_every_option_of_the_model_is_explained(group, name):
    named = f"`model.{group}.{name}" in TEXT or f"`{KINDS[group].__name__}.{name}`" in TEXT
    assert named, f"model.{group}.{name} is not in docs/paper.md"


def test_the_rows_stand_in_the_order_of_the_paper():
    order = [
        next(n for n, row in enumerate(ROWS) if equation in row[0])
        for equation in ("Eq. 3-4", "Eq. 5", "Eq. 6", "Eq. 8")
    ]
    assert all(one < other for one, other in pairwise(order))
