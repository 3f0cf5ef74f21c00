"""Where a function mentions its names: the walk loses none, and assignments are told apart."""

from __future__ import annotations

import ast
import inspect

import pytest

from krait.compiler import occurrences
from krait.compiler.build import PACKAGE


def occurrences_of(source: str) -> occurrences.Occurrences:
    """The occurrences in a function given by its text."""
    (function,) = ast.parse(inspect.cleandoc(source)).body
    assert isinstance(function, ast.FunctionDef)
    return occurrences.Occurrences(function)


@pytest.mark.parametrize("file", ["compiler/expressions.py", "kernel/fs/epoll.py", "running.py"])
def test_the_walk_passes_every_statement_and_expression(file: str) -> None:
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    kinds = (ast.expr, ast.stmt, ast.ExceptHandler, ast.match_case, ast.pattern, ast.arg)
    wanted = {each for each in ast.walk(tree) if isinstance(each, kinds)}
    assert wanted == {each for each in occurrences.walk(tree) if isinstance(each, kinds)}


def test_assigned_and_assigned_again() -> None:
    found = occurrences_of(
        """
        def f(given, replaced):
            once = given
            twice = 1
            twice = 2
            replaced = once
            for each in range(3):
                inside = each
            try:
                if (chosen := given) > 1:
                    pass
            except Errno as error:
                pass
        """
    )
    assert found.assigned == {
        "once", "twice", "replaced", "each", "inside", "chosen", "error",
    }  # fmt: skip
    assert found.reassigned == {"twice", "replaced", "each", "inside"}
    assert found.walrus == {"chosen"}


def test_an_error_caught_in_a_loop_is_assigned_again() -> None:
    found = occurrences_of(
        """
        def f():
            while True:
                try:
                    pass
                except Errno as error:
                    pass
        """
    )
    assert found.reassigned == {"error"}


def test_a_name_is_alone_in_a_statement_that_reads_it_once() -> None:
    found = occurrences_of(
        """
        def f(a, b):
            x = a + b * b
            if a:
                y = a
        """
    )
    alone = [each.id for reads in found.found.values() for each, _ in reads
             if isinstance(each.ctx, ast.Load) and found.alone(each)]  # fmt: skip
    assert sorted(alone) == ["a", "a", "a"]


def test_what_replaces_a_name_within_a_try_is_no_last_use() -> None:
    found = occurrences_of(
        """
        def f(a):
            a = g(a)
            try:
                a = g(a)
            except Errno:
                pass
        """
    )
    assert [each.lineno for each in found.replaced] == [2]
