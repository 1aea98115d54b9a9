"""The table that maps sentences of SPEC.md to tests names only tests that exist, and forgets none of the laws."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TABLE = TESTS.parent / "docs" / "spec-coverage.md"
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def _tests_of(file: Path) -> set[tuple[str, str]]:
    functions = (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef))
    return {(file.name, function.name) for function in functions if function.name.startswith("test_")}


def test_a_sentence_is_held_by_a_test_that_is_gone() -> None:
    """Every test that the table names exists."""
    named = set(NAMED.findall(TABLE.read_text()))
    existing = {test for file in TESTS.rglob("test_*.py") for test in _tests_of(file)}
    assert len(named) > 100
    assert named <= existing


def test_a_sentence_is_held_by_nothing() -> None:
    """Every row names a test."""
    rows = [line for line in TABLE.read_text().splitlines() if line.startswith("| ") and "| tests |" not in line]
    assert len(rows) > 80
    assert [row for row in rows if not NAMED.search(row)] == []
