"""Whether what borrowed references point to outlives them.

The checker notes for each borrowed value which places it may point into, as marks: a stack object,
a parameter, another local, the result of a call. Here the marks are followed through locals and
over the call graph: what a function may give back of its parameters, and what it stores where it
stays. A local's marks are those of all its assignments, wherever they stand, so branches and loops
need no order.

Not followed: what a field keeps. A slice that a function returns of a buffer in a field of its
parameter is valid until that field changes, as its docstring should say.

| mark | what it means |
|---|---|
| `object_3`, an array's name | storage of this function |
| `parameter 1` | what a borrowed parameter refers to: the caller knows |
| `holder 1` | the inside of a counted parameter, which the caller keeps |
| `kept name` | the inside of a counted object that came to a local new or from a call |
| `local name` | whatever that local may point into |
| `call 7` | whatever the seventh call may give back of its arguments |
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.effects import targets
from krait.compiler.functions import Function

if TYPE_CHECKING:
    from krait.compiler.program import Program

Given = tuple[Function, int]


def check_escapes(program: Program) -> None:
    """Refuse references that outlive what they point to."""
    places = {function: Places(program, function) for function in program.requested}
    given = given_back(places)
    for each in places.values():
        each.given = given
    leaking = stored_parameters(program, places)
    for function, places_of in places.items():
        if function.module.unsafe:
            continue
        for marks, node, how in function.leaks:
            if any(not known_to_caller(each) for each in places_of.stack(marks)):
                report(program, function, node, f"a reference to a stack object is {how}")
        for marks, node in function.returned:
            report_return(program, function, node, places_of.resolve(marks))
        for target, index, marks, node, _ in function.passes:
            if all(known_to_caller(each) for each in places_of.stack(marks)):
                continue
            for callee in targets(program, target):
                if (callee, index) in leaking:
                    message = f"{callee.display} keeps a reference to a stack object"
                    report(program, function, node, message)


class Places:
    """What the marks of one function stand for."""

    def __init__(self, program: Program, function: Function) -> None:
        self.function = function
        self.given: set[Given] = set()
        self.calls: dict[str, list[tuple[list[Function], int, frozenset[str]]]] = {}
        for target, index, marks, _, call in function.passes:
            self.calls.setdefault(call, []).append((targets(program, target), index, marks))

    def resolve(self, marks: frozenset[str]) -> set[str]:
        """Follow locals and calls to storage and parameters."""
        found: set[str] = set()
        waiting = list(marks)
        seen = set(waiting)
        while waiting:
            mark = waiting.pop()
            further: frozenset[str] | set[str] = frozenset()
            if mark.startswith("local "):
                further = self.local(mark.removeprefix("local "))
            elif mark.startswith("call "):
                further = self.call(mark)
            else:
                found.add(mark)
            for each in further:
                if each not in seen:
                    seen.add(each)
                    waiting.append(each)
        return found

    def local(self, name: str) -> frozenset[str]:
        """What a local may point into."""
        function = self.function
        marks = function.escape_map.get(name, frozenset())
        local = function.locals.get(name)
        if local is None or not local.parameter or not local.type.managed:
            return marks
        indices = [i for i, each in enumerate(function.parameters) if each.name == name]
        return marks | {f"holder {index}" for index in indices}

    def call(self, mark: str) -> set[str]:
        """What a call may give back of its arguments."""
        found: set[str] = set()
        for callees, index, marks in self.calls.get(mark, []):
            if any((callee, index) in self.given for callee in callees):
                found |= marks
        return found

    def stack(self, marks: frozenset[str]) -> set[str]:
        """The same without the insides of counted objects."""
        return {each for each in self.resolve(marks) if not each.startswith(("kept ", "holder "))}


def known_to_caller(mark: str) -> bool:
    """Whether the caller decides how long it lives."""
    return mark.startswith(("parameter ", "holder "))


def given_back(places: dict[Function, Places]) -> set[Given]:
    """Which parameters a function's borrowed result may point into: a least fixpoint."""
    given: set[Given] = set()
    returning = [each for each in places.values() if each.function.returned]
    before = -1
    while before != len(given):
        before = len(given)
        for each in returning:
            each.given = given
            for marks, _ in each.function.returned:
                for mark in each.resolve(marks):
                    if known_to_caller(mark):
                        given.add((each.function, int(mark.split()[1])))
    return given


def stored_parameters(program: Program, places: dict[Function, Places]) -> set[Given]:
    """Which borrowed parameters a function stores where they stay: a least fixpoint."""
    leaking: set[Given] = set()

    def note(function: Function, marks: set[str]) -> None:
        for mark in marks:
            if mark.startswith("parameter "):
                leaking.add((function, int(mark.split()[1])))

    safe = [(each, found) for each, found in places.items() if not each.module.unsafe]
    for function, found in safe:
        for marks, _, _ in function.leaks:
            note(function, found.stack(marks))
    before = -1
    while before != len(leaking):
        before = len(leaking)
        for function, found in safe:
            for target, index, marks, _, _ in function.passes:
                if any((each, index) in leaking for each in targets(program, target)):
                    note(function, found.stack(marks))
    return leaking


def report_return(program: Program, function: Function, node: ast.AST, marks: set[str]) -> None:
    """A result that points into what ends with the function."""
    for mark in sorted(marks):
        if mark.startswith("kept "):
            name = mark.removeprefix("kept ")
            report(
                program,
                function,
                node,
                f"what {name} keeps is returned, and may end with this function",
                "return the object that holds it, or copy",
            )
            return
        if not known_to_caller(mark):
            report(program, function, node, "a reference to a stack object is returned")
            return


def report(
    program: Program,
    function: Function,
    node: ast.AST,
    message: str,
    remedy: str = "make it Counted, embed it, or build it at module level",
) -> None:
    """One reference that would outlive its object."""
    program.report(CompileError(node, message, remedy), function.module, node)
