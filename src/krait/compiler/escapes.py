"""Whether what borrowed references point to outlives them.

The checker notes for each borrowed value which places it may point into, as marks: a stack object,
a parameter, another local, the result of a call. Here the marks are followed through locals and
over the call graph: what a function may give back of its parameters, and what it stores where it
stays. A local's marks are those of all its assignments, wherever they stand, so branches and loops
need no order.

What a safe module stores in a field lives as long as the kernel: a reference to a `Struct` there
points to a prebuilt object. So neither a stack object nor a part of a counted or owned object is
stored; what holds the counted object itself needs no such reference.

Not followed: what a function returns of a field. A slice of a buffer in a field of its parameter is
valid until that field changes, as its docstring should say.

| mark | what it means |
|---|---|
| `object_3`, an array's name | storage of this function |
| `parameter 1` | what a borrowed parameter refers to: the caller knows |
| `holder 1` | the inside of a counted parameter, which the caller keeps |
| `inside` | the inside of some counted or owned object: used, not stored |
| `kept name` | the inside of a counted object that came to a local new or from a call |
| `local name` | whatever that local may point into |
| `call 7` | whatever the seventh call may give back of its arguments |
| `within` a mark | what fields there refer to: of a stack object, what it was made with |
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

from krait.compiler.diagnostics import CompileError
from krait.compiler.effects import Target, targets
from krait.compiler.functions import Function
from krait.compiler.nodes import INSIDE, within
from krait.compiler.types import OwnedType

if TYPE_CHECKING:
    from krait.compiler.program import Program

PART = "a reference into a counted or owned object"
KEEP_OWNER = (
    "it may outlive that object: store the object itself or an index, "
    "or let an unsafe module state what keeps it"
)


class Given(NamedTuple):
    """A parameter of a function, or what fields of it refer to."""

    function: Function
    position: int
    within: bool = False


class Passed(NamedTuple):
    """What one call passes to one parameter."""

    places: Places
    marks: frozenset[str]
    node: ast.AST


ANY = -1  # in place of a parameter: the inside of some counted object
Targets = Callable[[Target], list[Function]]
Passes = dict[tuple[Function, int], list[Passed]]


def check_escapes(program: Program) -> None:
    """Refuse references that outlive what they point to."""
    targets_of: Targets = cache(partial(targets, program))
    places = [Places(function, targets_of) for function in program.requested]
    given = given_back(places)
    for each in places:
        each.given = given
    safe = [each for each in places if not each.function.module.unsafe]
    passes = passes_of(safe, targets_of)
    leaking = stored_parameters(safe, passes)
    unchecked = stored_parameters(safe, passes, checked_too=False)
    for each in safe:
        function = each.function
        for marks, node, checked in function.leaks:
            found = each.resolve(marks)
            if any(map(on_stack, found)):
                report(program, function, node, "a reference to a stack object is stored")
            elif not checked and INSIDE & found:
                report(program, function, node, f"{PART} is stored", KEEP_OWNER)
        for marks, node in function.returned:
            report_return(program, function, node, each.resolve(marks))
    for kept in leaking:
        keeper = kept.function.display
        for caller, found, node in received(passes, kept):
            if any(map(on_stack, found)):
                message = f"{keeper} keeps a reference to a stack object"
                report(program, caller, node, message)
            elif INSIDE & found and kept in unchecked:
                report(program, caller, node, f"{keeper} keeps {PART}", KEEP_OWNER)


class Places:
    """What the marks of one function stand for."""

    def __init__(self, function: Function, targets_of: Targets) -> None:
        self.function = function
        self.targets_of = targets_of
        self.given: set[Given] = set()

    @cached_property
    def calls(self) -> dict[str, list[tuple[list[Function], int, frozenset[str]]]]:
        """What each call is passed."""
        found: dict[str, list[tuple[list[Function], int, frozenset[str]]]] = {}
        for target, index, marks, _, call in self.function.passes:
            found.setdefault(call, []).append((self.targets_of(target), index, marks))
        return found

    def resolve(self, marks: frozenset[str]) -> set[str]:
        """Follow locals and calls to storage and parameters."""
        found: set[str] = set()
        waiting = list(marks)
        seen = set(waiting)
        while waiting:
            mark = waiting.pop()
            further = self.follow(mark)
            if further is None:
                found.add(mark)
                continue
            for each in further:
                if each not in seen:
                    seen.add(each)
                    waiting.append(each)
        return found

    def follow(self, mark: str) -> frozenset[str] | set[str] | None:
        """One step; None if the mark stands for itself."""
        if mark.startswith("local "):
            return self.local(mark.removeprefix("local "))
        if mark.startswith("call "):
            return self.call(mark)
        if not mark.startswith("within "):
            return None
        base = mark.removeprefix("within ")
        further = self.follow(base)
        if further is not None:
            return within(further)
        if on_stack(base):
            made_with = self.function.escape_map.get(mark, frozenset())
            return made_with | within(made_with)
        return None if base.startswith("parameter ") else frozenset()

    def local(self, name: str) -> frozenset[str]:
        """What a local may point into."""
        function = self.function
        marks = function.escape_map.get(name, frozenset())
        local = function.locals.get(name)
        if local is None or not local.parameter or not local.type.managed:
            return marks
        if isinstance(local.type, OwnedType):  # moved here, so that it ends here
            return marks | {f"kept {name}"}
        indices = [i for i, each in enumerate(function.parameters) if each.name == name]
        return marks | {f"holder {index}" for index in indices}

    def call(self, mark: str) -> set[str]:
        """What a call may give back: of its arguments, and of what they refer to."""
        site = self.function.calls[int(mark.removeprefix("call ")) - 1]
        found: set[str] = set()
        if any(Given(each, ANY) in self.given for each in self.targets_of(site.target)):
            found |= INSIDE
        for callees, index, marks in self.calls.get(mark, []):
            if any(Given(callee, index) in self.given for callee in callees):
                found |= marks
            if any(Given(callee, index, within=True) in self.given for callee in callees):
                found |= within(marks)
        return found


def of_parameter(function: Function, mark: str) -> Given | None:
    """The parameter that a mark stands for: the caller decides how long it lives."""
    if not mark.startswith(("parameter ", "holder ", "within parameter ")):
        return None
    return Given(function, int(mark.rsplit(maxsplit=1)[-1]), mark.startswith("within "))


def on_stack(mark: str) -> bool:
    """Whether it is storage of the function itself."""
    return not mark.startswith(("parameter ", "holder ", "within ", "kept ", "inside"))


def given_back(places: list[Places]) -> set[Given]:
    """What a function's borrowed result may point into: a least fixpoint."""
    given: set[Given] = set()
    returning = [each for each in places if each.function.returned]
    before = -1
    while before != len(given):
        before = len(given)
        for each in returning:
            each.given = given
            for marks, _ in each.function.returned:
                for mark in each.resolve(marks):
                    found = of_parameter(each.function, mark)
                    if found is not None:
                        given.add(found)
                    elif mark in INSIDE:
                        given.add(Given(each.function, ANY))
    return given


def passes_of(places: list[Places], targets_of: Targets) -> Passes:
    """What these functions pass to each parameter."""
    passes: Passes = {}
    for each in places:
        for target, index, marks, node, _ in each.function.passes:
            for callee in targets_of(target):
                passes.setdefault((callee, index), []).append(Passed(each, marks, node))
    return passes


def received(passes: Passes, kept: Given) -> Iterator[tuple[Function, set[str], ast.AST]]:
    """Who passes something to a parameter, and what it may point into."""
    for places, marks, node in passes.get((kept.function, kept.position), []):
        found = places.resolve(within(marks) if kept.within else marks)
        yield places.function, found, node


def stored_parameters(
    safe: list[Places], passes: Passes, *, checked_too: bool = True
) -> dict[Given, None]:
    """Which borrowed parameters safe functions store where they stay, in order: a fixpoint."""
    leaking: dict[Given, None] = {}
    waiting: list[Given] = []

    def note(function: Function, marks: set[str]) -> None:
        for mark in marks:
            found = of_parameter(function, mark)
            if found is not None and not mark.startswith("holder ") and found not in leaking:
                leaking[found] = None
                waiting.append(found)

    for each in safe:
        for marks, _, checked in each.function.leaks:
            if checked_too or not checked:
                note(each.function, each.resolve(marks))
    while waiting:
        for caller, found, _ in received(passes, waiting.pop()):
            note(caller, found)
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
        if on_stack(mark):
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
