"""Writing C units: one a module, with its functions, prebuilt objects, vtables and drops."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.compiler.declarations import BODIES, Declarations, Key, identities, linkage_mark
from krait.compiler.diagnostics import CompileError
from krait.compiler.drops import buffer_drop, class_drop, fields_drop
from krait.compiler.functions import Function
from krait.compiler.lowering import Instruction, Lowerer
from krait.compiler.prelude import PRELUDE
from krait.compiler.references import has_managed_fields
from krait.compiler.scope import c_local
from krait.compiler.thunks import thunk_text
from krait.compiler.types import NEVER, NONE, OwnedType, PerCpuType, Type, element_tag
from krait.compiler.values import Data
from krait.compiler.without_lock import check_without_lock

if TYPE_CHECKING:
    from krait.compiler.classes import ClassInfo
    from krait.compiler.program import Program

SMALL = 6  # statements; such functions are inline in every unit that calls them


class Lowered:
    """The C of one function and what it needs."""

    def __init__(self, text: str, needs: list[Key], lines: list[Instruction]) -> None:
        self.text = text
        self.needs = needs
        self.lines = lines


class UnitWriter:
    """Turns a checked program into C units."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.declarations = Declarations(program)
        self.lowered: dict[Function, Lowered] = {}
        self._inline: dict[Function, bool] = {}
        self.parts: dict[str, list[tuple[tuple[object, ...], str, list[Key]]]] = {}

    def write(self) -> dict[str, str]:
        """All units by module name."""
        program = self.program
        for function in program.requested:
            try:
                self.lowered[function] = self.lower(function)
            except CompileError as error:
                program.report(error, function.module, function.node)
        if not program.found:
            check_without_lock(program, {f: each.lines for f, each in self.lowered.items()})
        if program.found:
            return {}
        for function, lowered in self.lowered.items():
            if self.is_inline(function):
                self.declarations.inline_bodies[function] = (lowered.text, lowered.needs)
            else:
                self.add(
                    function.module.name,
                    (1, function.node.lineno, function.c_name),
                    lowered.text,
                    [*lowered.needs, ("function", function)],
                )
        for function, thunk in program.thunks.items():
            text, needs = thunk_text(program, thunk)
            self.add(function.module.name, (2, function.node.lineno, thunk.c_name), text, needs)
        self.write_data()
        self.write_runtime()
        units = {name: self.unit(name) for name in sorted(self.parts)}
        return self.decide_linkage(units)

    def decide_linkage(self, units: dict[str, str]) -> dict[str, str]:
        """Make functions static that one unit alone mentions: C then sees every call."""
        mark = re.compile(r"@linkage:(\w+)@")
        users: dict[str, set[str]] = {}
        for unit, text in units.items():
            for name in set(mark.findall(text)):
                users.setdefault(name, set()).add(unit)
        return {
            unit: mark.sub(lambda found: "static " if len(users[found[1]]) == 1 else "", text)
            for unit, text in units.items()
        }

    def add(self, module: str, order: tuple[object, ...], text: str, needs: list[Key]) -> None:
        """Put a definition into a unit."""
        self.parts.setdefault(module, []).append((order, text, needs))

    # Functions

    def is_inline(self, function: Function) -> bool:
        """Whether a function is small enough to be inline everywhere."""
        if function not in self._inline:
            self._inline[function] = self._decide_inline(function)
        return self._inline[function]

    def _decide_inline(self, function: Function) -> bool:
        if function.exported or function.entry or function.section or function.result == NEVER:
            return False
        if function.node.name == "__del__":
            return False
        if "inlined" in function.decorators:
            return True
        if len(function.calls) > 3 or any(site.target is function for site in function.calls):
            return False
        count = 0
        waiting: list[ast.stmt] = [function.node]
        while waiting:
            statement = waiting.pop()
            count += 1
            if count > SMALL + 2 or isinstance(
                statement, ast.For | ast.While | ast.Try | ast.Match
            ):
                return False
            for name in ("body", "orelse"):
                waiting += getattr(statement, name, [])
        return True

    def lower(self, function: Function) -> Lowered:
        """The C text of a function."""
        low = Lowerer(self.program, function)
        declarations = self.declarations
        for local in function.locals.values():
            if local.parameter and local.owned and not isinstance(local.type, OwnedType):
                from krait.compiler.references import retain_code

                low.emit(retain_code(low, local.c_name, local.type))
        low.block(function.body)
        result = function.result
        if low.has_cleanup:
            low.place_label("leave")
            for local in function.locals.values():
                if local.owned:
                    low.release(local.c_name, local.type)
            for name, cls in function.stack_objects:
                if has_managed_fields(cls):
                    low.need("drop_fields", cls)
                    low.emit(f"drop_fields_{cls.c_name}(&{name});")
            value = "result" if low.uses_result else None
            low.emit(low.return_code(value if result != NONE else None, "error"))
        elif result == NONE:
            low.emit(low.return_code(None, None))
        body = "\n".join(self.number_lines(low, function))
        head = self.locals_text(low, function)
        if "error" in body:
            head += " u32 error = 0;"
        if low.uses_result:
            zero = "{0}" if low.zero(result) != "0" else "0"
            head += f" {low.need_type(result)} result = {zero};"
        inline = "static inline " if self.is_inline(function) else linkage_mark(function)
        attributes = f'__attribute__((section("{function.section}"))) ' if function.section else ""
        line = f'#line {function.node.lineno} "{function.module.path}"'
        unreachable = "" if result == NONE else "\n__builtin_unreachable();"
        declarator = f"{attributes}{inline}{declarations.signature(function)}"
        text = f"{line}\n{declarator}\n{{ {head}\n{body}{unreachable}\n}}"
        needs = [*declarations.signature_needs(function), *low.needs]
        return Lowered(text, needs, low.lines)

    @staticmethod
    def locals_text(low: Lowerer, function: Function) -> str:
        """Declarations of the local variables."""
        parts: list[str] = []
        for local in function.locals.values():
            if local.parameter:
                continue
            c = low.need_type(local.type)
            zero = "{0}" if low.zero(local.type) != "0" else "0"
            parts.append(f"{c} {local.c_name} = {zero};")
        for name, cls in function.stack_objects:
            low.need("class", cls)
            start = " = {0}" if has_managed_fields(cls) else ""
            parts.append(f"struct {cls.c_name} {name}{start};")
        for name, c, length in function.stack_arrays:
            parts.append(f"{c} {name}[{max(length, 1)}];")
        return " ".join(parts)

    @staticmethod
    def number_lines(low: Lowerer, function: Function) -> list[str]:
        """Instructions as C lines with the Python line each came from."""
        found: list[str] = []
        current = -1
        for instruction in low.lines:
            if instruction.line == current:
                found[-1] += " " + instruction.text
                continue
            if instruction.line != current + 1 or current == -1:
                found.append(f"#line {instruction.line}")
            current = instruction.line
            found.append(instruction.text)
        return found

    # Data

    def write_data(self) -> None:
        """Prebuilt objects and tables; an initializer may bring more."""
        values = self.program.values
        done: set[str] = set()
        while True:
            waiting = [each for each in values.data.values() if each.symbol not in done]
            if not waiting:
                return
            for data in waiting:
                done.add(data.symbol)
                needs: dict[Key, None] = {}
                text = values.initializer(data, _collector(needs))
                declarator = self.declarations.data_declarator(data)
                attributes = self.data_attributes(data)
                own = self.declarations.of(("data", data))
                self.add(
                    data.module.name,
                    (0, data.symbol),
                    f"{declarator}{attributes} = {text};",
                    [*own.needs, *needs],
                )

    @staticmethod
    def data_attributes(data: Data) -> str:
        """Section and alignment."""
        parts = []
        if isinstance(data.type, PerCpuType):
            parts.append('\n#ifndef KRAIT_HOST\n__attribute__((section(".percpu")))\n#endif\n')
        elif data.section:
            parts.append(f' __attribute__((section("{data.section}")))')
        if data.align:
            parts.append(f" __attribute__((aligned({data.align})))")
        return "".join(parts)

    # Drop functions and vtables

    def write_runtime(self) -> None:
        """Definitions that declarations promise, until nothing new is asked for."""
        done: set[Key] = set()
        waiting = [need for parts in self.parts.values() for _, _, needs in parts for need in needs]
        waiting += [need for _, needs in self.declarations.inline_bodies.values() for need in needs]
        while waiting:
            key = self.declarations.normal(waiting.pop())
            if key not in done:
                done.add(key)
                declaration = self.declarations.of(key)
                waiting += declaration.needs
                waiting += declaration.later
                waiting += self.write_promised(key)

    def write_promised(self, key: Key) -> list[Key]:
        """Define what a declaration promised elsewhere; gives what the definition needs."""
        kind, subject = key
        needs: list[Key] = []
        if kind == "drop":
            cls: ClassInfo = subject  # type: ignore[assignment]
            text, needs = class_drop(self.program, cls)
            self.add(cls.module.name, (3, "drop", cls.c_name), text, needs)
        elif kind == "drop_fields":
            cls = subject  # type: ignore[assignment]
            text, needs = fields_drop(self.program, cls)
            self.add(cls.module.name, (3, "fields", cls.c_name), text, needs)
        elif kind == "release_buffer":
            element: Type = subject  # type: ignore[assignment]
            text, needs = buffer_drop(self.program, element)
            name = f"drop_buffer_{element_tag(element)}"
            if not any(order[-1] == name for order, _, _ in self.parts.get("krait.generated", [])):
                self.add("krait.generated", (3, "buffer", name), text, needs)
        elif kind == "vtable":
            needs = self.write_vtable(subject)  # type: ignore[arg-type]
        return needs

    def write_vtable(self, cls: ClassInfo) -> list[Key]:
        """The table of a class's methods; gives what it needs."""
        program = self.program
        needs: list[Key] = [("vtable_type", cls.root), ("vtable", cls)]
        entries = [f".identity = {identities(cls)[0]}"]
        if cls.counted:
            entries.append(f".drop = drop_{cls.c_name}")
            needs.append(("drop", cls))
        for slot in self.declarations.slots(cls.root):
            if not cls.is_subclass(slot.cls):
                continue
            found = cls.find_method(slot.name)
            if found is None:
                continue
            function = program.method(found[0], slot.name)
            if program.is_requested(function):
                needs.append(("function", function))
                entries.append(f".{slot.c_name} = (void *){function.c_name}")
        declarator = f"const struct vtable_{cls.root.c_name} vtable_{cls.c_name}"
        text = f"{declarator} = {{ {', '.join(entries)} }};"
        self.add(cls.module.name, (4, cls.c_name), text, needs)
        return needs

    # Units

    def unit(self, name: str) -> str:
        """The text of one unit."""
        sections: list[list[str]] = [[], [], [], []]
        seen: set[Key] = set()
        later: list[Key] = []

        def visit(key: Key) -> None:
            seen.add(key)
            normal = self.declarations.normal(key)
            if normal is not key:
                if normal in seen:
                    return
                seen.add(normal)
            declaration = self.declarations.of(normal)
            for need in declaration.needs:
                if need not in seen:
                    visit(need)
            later.extend(declaration.later)
            if declaration.text:
                sections[declaration.section].append(declaration.text)

        parts = sorted(
            self.parts[name], key=lambda part: tuple(str(each).rjust(9, "0") for each in part[0])
        )
        for _, _, needs in parts:
            for need in needs:
                if need not in seen:
                    visit(need)
        for need in later:  # which grows
            if need not in seen:
                visit(need)
        definitions = [text for _, text, _ in parts]
        bodies = "\n".join(sections[BODIES])
        head = "\n".join("\n".join(each) for each in sections[:BODIES])
        path = self.program.modules.load(name).path if name != "krait.generated" else "generated"
        from krait.kernel.config import config

        switches = "#define KRAIT_DEBUG\n" if config.debug else ""
        return (
            f'{switches}{PRELUDE}\n{head}\n{bodies}\n#line 1 "{path}"\n'
            + "\n".join(definitions)
            + "\n"
        )


def _collector(needs: dict[Key, None]) -> Callable[[str, object], None]:
    """Make the function that adds to `needs`."""

    def need(kind: str, what: object) -> None:
        needs[(kind, what)] = None

    return need


def write_units(program: Program) -> dict[str, str]:
    """The C units of a program."""
    writer = UnitWriter(program)
    units = writer.write()
    program.linear = {function: each.lines for function, each in writer.lowered.items()}
    return units


__all__ = ["c_local", "write_units"]
