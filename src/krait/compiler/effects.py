"""What functions do, computed over the whole call graph.

Whether a function can raise is a least fixpoint: it raises itself, or calls something that does
where no handler catches it. A virtual call raises if any override may; so does a call through a
function reference. Functions that share a vtable slot or a signature share a calling convention: if
one of them returns an error word, all do. `@no_raise`, `@no_sleep` and `@interrupt` are proved on
the same graph.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.functions import CallSite, Function, IndirectCall, VirtualCall

if TYPE_CHECKING:
    from krait.compiler.program import Program

Target = Function | VirtualCall | IndirectCall


def prove(program: Program) -> None:
    """Compute effects and report what does not hold."""
    infer_raises(program)
    choose_conventions(program)
    infer_releases(program)
    check_raises(program)
    check_sleeps(program)


def targets(program: Program, target: Target) -> list[Function]:
    """The functions that a call may run."""
    if isinstance(target, Function):
        return [target]
    if isinstance(target, VirtualCall):
        return program.virtual_calls.possible_targets(target.cls, target.name)
    return program.signatures.get(target.signature, [])


def infer_raises(program: Program) -> None:
    """The fixpoint."""
    callers: dict[Function, list[Function]] = {}
    waiting: list[Function] = []
    for function in program.requested:
        for site in function.calls:
            if not site.caught:
                for target in targets(program, site.target):
                    callers.setdefault(target, []).append(function)
        if function.raises_itself:
            function.raises = True
            waiting.append(function)
    while waiting:
        for caller in callers.get(waiting.pop(), []):
            if not caller.raises:
                caller.raises = True
                waiting.append(caller)


def infer_releases(program: Program) -> None:
    """Which functions may end an object: only across those must a borrowed field be held.

    Assembly routines are taken to: one of them switches threads.
    """
    callers: dict[Function, list[Function]] = {}
    waiting: list[Function] = []
    for function in program.requested:
        function.may_release = function.releases_itself
        for site in function.calls:
            for target in targets(program, site.target):
                callers.setdefault(target, []).append(function)
                if target.external:
                    function.may_release = True
        if function.may_release:
            waiting.append(function)
    while waiting:
        for caller in callers.get(waiting.pop(), []):
            if not caller.may_release:
                caller.may_release = True
                waiting.append(caller)


def choose_conventions(program: Program) -> None:
    """Spread the error word over vtable slots and signatures."""
    groups: list[list[Function]] = list(program.signatures.values())
    seen = set()
    for cls, name in program.virtual_calls.requests:
        slot = program.virtual_calls.slot(cls, name)
        if slot not in seen:
            seen.add(slot)
            groups.append(program.virtual_calls.possible_targets(slot.cls, slot.name))
    for function in program.requested:
        function.returns_error = function.raises
    changed = True
    while changed:
        changed = False
        for group in groups:
            if any(each.returns_error for each in group):
                for each in group:
                    if not each.returns_error:
                        each.returns_error = changed = True


def check_raises(program: Program) -> None:
    """Refuse errors where none may leave."""
    for function in program.requested:
        module = function.module
        if function.exported and function.returns_error:
            program.report(
                CompileError(
                    function.node,
                    f"{function.display} is exported but can raise{because(program, function)}",
                    "catch Errno in it",
                ),
                module,
                function.node,
            )
        for mark in ("no_raise", "interrupt"):
            if mark in function.decorators and function.raises:
                program.report(
                    CompileError(
                        function.node,
                        f"{function.display} is @{mark} but can raise{because(program, function)}",
                        "catch Errno in it",
                    ),
                    module,
                    function.node,
                )
        if function.node.name in ("__del__", "__exit__") and function.raises:
            program.report(
                CompileError(
                    function.node,
                    f"{function.display} can raise{because(program, function)}",
                    "it runs on the way out: catch Errno in it",
                ),
                module,
                function.node,
            )
        for site in function.calls:
            if site.in_cleanup and not site.caught:
                for target in targets(program, site.target):
                    if target.raises and target.node.name != "__exit__":
                        program.report(
                            CompileError(
                                site.node,
                                f"{target.display} can raise in a `finally`"
                                f"{because(program, target)}",
                                "catch Errno around it",
                            ),
                            module,
                            site.node,
                        )
                        break
        for node in function.cleanup_raises:
            program.report(
                CompileError(node, "a `finally` raises here", "catch Errno in it"), module, node
            )


def because(program: Program, function: Function) -> str:
    """The chain of calls to a raise, for messages."""
    path: list[str] = []
    current: Function | None = function
    seen: set[Function] = set()
    while current is not None and current not in seen and len(path) < 6:
        seen.add(current)
        if current.raises_itself:
            line = getattr(current.raise_sites[0], "lineno", 0) if current.raise_sites else 0
            path.append(f"raises in line {line}")
            break
        following: Function | None = None
        for site in current.calls:
            if not site.caught:
                for target in targets(program, site.target):
                    if target.raises and target not in seen:
                        following = target
                        break
            if following:
                break
        if following is not None:
            path.append(f"calls {following.display}")
        current = following
    return ": " + ", which ".join(path) if path else ""


def check_sleeps(program: Program) -> None:
    """Prove that nothing under @no_sleep and @interrupt reaches a @sleeps function."""
    sleeping: dict[Function, tuple[CallSite, Function] | None] = {}
    callers: dict[Function, list[tuple[Function, CallSite]]] = {}
    everything = set(program.requested)
    for function in program.requested:
        for site in function.calls:
            for target in targets(program, site.target):
                callers.setdefault(target, []).append((function, site))
                everything.add(target)
    waiting = [each for each in everything if "sleeps" in each.decorators]
    for each in waiting:
        sleeping[each] = None
    while waiting:
        current = waiting.pop()
        for caller, site in callers.get(current, []):
            if caller not in sleeping:
                sleeping[caller] = (site, current)
                waiting.append(caller)
    for function in program.requested:
        for mark in ("no_sleep", "interrupt"):
            if mark in function.decorators and function in sleeping:
                path = [function.display]
                step = sleeping[function]
                node: ast.AST = step[0].node if step else function.node
                while step is not None:
                    path.append(step[1].display)
                    step = sleeping[step[1]]
                program.report(
                    CompileError(
                        node,
                        f"{function.display} is @{mark} but may sleep: {' -> '.join(path)}",
                        "wake a thread to do this",
                    ),
                    function.module,
                    function.node,
                )
