"""What kernel code that runs without the kernel lock may do, proved over the call graph.

Such code runs while other CPUs change what it looks at, and it must not get in their way. So
nothing that a `@without_lock` or `@no_kernel_lock` function calls may

- put the thread to sleep, change a reference count, allocate, or write to the log;
- store into an object or an array that is not its own local (an `Atomic`, a `PerCpu` variable and
  the program's memory are changed by operations of theirs);
- call an assembly routine that is not marked `@no_kernel_lock` itself.

A `@reads_shared` function follows references that another CPU may take away, and what they lead to
stays only until the thread waits. So it may not touch the program's memory either, where a page
may have to be brought in: only the `_nofault` copies do not wait.

Counts and allocations are what lowering adds, so the proof reads the linear form, which writes all
of them out. Unsafe modules may store: what they state as their invariant is what they answer for.
So may modules that say `has_own_lock`: their text names the lock that guards what they change.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from krait.compiler.diagnostics import CompileError
from krait.compiler.effects import targets
from krait.compiler.functions import Function

if TYPE_CHECKING:
    from krait.compiler.lowering import Instruction
    from krait.compiler.program import Program

PROMISES = ("without_lock", "no_kernel_lock", "reads_shared")
EFFECTS = (
    (
        re.compile(r"\bKRAIT_(?:COUNT|RETAIN)|\b(?:retain|release|drop)_\w|\bkrait_weak_"),
        "changes a reference count",
        "borrow it: pass it on as an argument, keep no local",
    ),
    (re.compile(r"\bkrait_allocate\("), "allocates", "do it with the lock"),
    (re.compile(r"\bkrait_log_open\(6"), "writes to the log", "do it with the lock"),
)
WAITS = re.compile(r"\bkrait_(?:copy_(?:from|to)_user|user_fault_in|user_touch)\w*(?<!_nofault)\(")
STORES = (
    re.compile(r"^[(&*]*(\w+)\)*(?:->|\.|\[)[^=]*[^=!<>]=(?!=)"),
    re.compile(r"^\*(\w+) = "),
    re.compile(r"^mem(?:set|cpy|move)\((\w+),"),
)
OWN = re.compile(r"\b(\w+) = (\(&object_\d+\)|\w+_storage\d+);|^memset\((\w+_storage\d+),")
ASSIGNED = re.compile(r"(?:^|; )(\w+) = ")
PART = re.compile(r"^[\w ]+\* (_\d+) = (?:\([\w ]+\*\))?[&(]*(\w+)")
"""A temporary that points into something."""


class Effect(NamedTuple):
    """What a function does that it may not do without the lock."""

    line: int
    what: str
    remedy: str


class Step(NamedTuple):
    """A function that is reached, by which calls, and the first of them."""

    path: tuple[Function, ...]
    call: ast.AST | None


def check_without_lock(program: Program, linear: dict[Function, list[Instruction]]) -> None:
    """Report the first thing that each function does against what it promises."""
    for function in program.requested:
        promised = [mark for mark in PROMISES if mark in function.decorators]
        if not promised or function.external:
            continue
        shared = promised[-1] == "reads_shared"
        for step, effect in broken(program, function, linear, shared):
            program.report(described(function, promised[-1], step, effect), function.module,
                           function.node)  # fmt: skip
            break


def described(function: Function, mark: str, step: Step, effect: Effect) -> CompileError:
    """The message: where, what, and by which calls."""
    if step.call is None:
        node = at_line(function.node, effect.line)
        return CompileError(node, f"{function.display} is @{mark} but {effect.what}", effect.remedy)
    shown = " -> ".join(each.display for each in step.path)
    last = step.path[-1]
    message = (
        f"{function.display} is @{mark} but {last.display} {effect.what} in line {effect.line}"
    )
    return CompileError(step.call, f"{message}: {shown}", effect.remedy)


def broken(
    program: Program, root: Function, linear: dict[Function, list[Instruction]], shared: bool
) -> Iterator[tuple[Step, Effect]]:
    """What is wrong, nearest first, with the calls that lead there."""
    seen = {root}
    waiting = [Step((root,), None)]
    while waiting:
        step = waiting.pop(0)
        function = step.path[-1]
        if "sleeps" in function.decorators:
            yield step, Effect(function.node.lineno, "may sleep", "do it with the lock")
        for effect in effects_of(function, linear.get(function, []), shared):
            yield step, effect
        for site in function.calls:
            for target in targets(program, site.target):
                if target.external and "no_kernel_lock" not in target.decorators:
                    yield (
                        step,
                        Effect(
                            getattr(site.node, "lineno", function.node.lineno),
                            f"calls the assembly routine {target.display}",
                            "mark that @no_kernel_lock if it needs no lock",
                        ),
                    )
                elif target not in seen:
                    seen.add(target)
                    waiting.append(Step((*step.path, target), step.call or site.node))


def effects_of(
    function: Function, instructions: list[Instruction], shared: bool
) -> Iterator[Effect]:
    """What a function does by itself."""
    own = own_names(instructions)
    for each in instructions:
        for pattern, what, remedy in EFFECTS:
            if pattern.search(each.text):
                yield Effect(each.line, what, remedy)
        if shared and WAITS.search(each.text):
            yield Effect(each.line, "may wait for a page", "use a _nofault copy")
        stored = next(
            (found[1] for each_form in STORES if (found := each_form.match(each.text))), ""
        )
        answers = function.module.unsafe or function.module.has_own_lock
        if stored and not answers and stored not in own:
            yield Effect(
                each.line,
                "stores into what others may see",
                "use an Atomic, or do it with the lock",
            )


def own_names(instructions: list[Instruction]) -> set[str]:
    """The locals that name nothing but objects and arrays of the function's own, or their parts."""
    own: set[str] = set()
    other: set[str] = set()
    for text in (each.text for each in instructions):
        made = {name for found in OWN.finditer(text) for name in (found[1], found[3]) if name}
        own |= made
        other |= {found[1] for found in ASSIGNED.finditer(text)} - made
    own = (own - other) | {
        name
        for text in (each.text for each in instructions)
        for name in re.findall(r"\bobject_\d+", text)
    }
    for part in (PART.match(each.text) for each in instructions):
        if part and part[2] in own:
            own.add(part[1])
    return own


def at_line(node: ast.FunctionDef, line: int) -> ast.AST:
    """The statement in a line, else the function."""
    for each in ast.walk(node):
        if isinstance(each, ast.stmt) and each.lineno == line and each is not node:
            return each
    return node
