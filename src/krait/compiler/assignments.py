"""Checking assignments: locals, fields, elements, unpacking, and taking a reference out."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.functions import Local
from krait.compiler.integers import arithmetic_code, constant_node
from krait.compiler.loops import LoopChecker
from krait.compiler.nodes import Node, Place, Statement, quiet
from krait.compiler.objects import c_field
from krait.compiler.scope import assigned_key, c_local
from krait.compiler.types import (
    BOOL,
    NEVER,
    NONE,
    UNTYPED,
    ArrayType,
    AtomicType,
    BufferType,
    EnumType,
    IntType,
    OwnedType,
    RefType,
    SliceType,
    TableType,
    TupleType,
    Type,
    VolatileType,
    as_owned_as,
    element_c,
    embedded_element,
    is_optional,
    optional,
)

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer


class AssignmentChecker(LoopChecker):
    """The part of the function checker that types assignments."""

    def _assign(self, node: ast.Assign) -> Statement:
        if len(node.targets) != 1:
            raise CompileError(node, "one target at a time", "write two assignments")
        return self.store(node, node.targets[0], node.value)

    def store(self, node: ast.stmt, target: ast.expr, expression: ast.expr) -> Statement:
        """Type `target = expression`."""
        if isinstance(target, ast.Name):
            local = self.function.locals.get(target.id)
            value = self.expression(expression, local.type if local else None)
            assign = self.assign_local(target, value)
            return Statement(f"assign {target.id}", assign, node, [value])
        if isinstance(target, ast.Tuple):
            return self._unpack(node, target, expression)
        if isinstance(target, ast.Attribute | ast.Subscript):
            place = self.expression(target)
            if place.place is None:
                raise CompileError(target, f"this is not assigned: {self._why_fixed(place)}")
            value = self.typed(expression, place.type, "this assignment")
            if place.place.field is not None:
                self.check_text(place.place.field, value)
            borrow_code = self._borrow_code(place, value)
            self.note_store(node, place.type, value, checked=borrow_code is not None)
            code = borrow_code or self._store_code(place, value)
            return Statement("store", code, node, [place, value])
        raise CompileError(target, "this cannot be assigned")

    @staticmethod
    def _why_fixed(place: Node) -> str:
        if isinstance(place.type, TupleType) or place.operation.startswith("field"):
            return "it is embedded or part of a value"
        return "it is a constant or an expression"

    def _borrow_code(self, target: Node, value: Node) -> Callable[[Lowerer], None] | None:
        """Store a slice in a field that borrows: it must lie in what the keeper holds."""
        place = target.place
        assert place is not None
        field = place.field
        keeper = field.owner.keeper(field) if field is not None else None
        if field is None or keeper is None or self.function.module.unsafe:
            return None
        kind = target.type

        def emit(low: Lowerer) -> None:
            text = low.temp(low.need_type(kind), low.value(value))
            where = place.address(low)
            this = where.removesuffix(f"->{c_field(field.name)}")
            held = f"{this}->{c_field(keeper.name)}"
            if isinstance(keeper.type, ArrayType):
                missing, first, length = "", held, str(keeper.type.length)
            else:
                low.need_type(keeper.type)
                held = low.temp(keeper.type.c, held)
                missing, first, length = f"!{held} || ", f"{held}->data", f"{held}->length"
            outside = f"{text}.data < {first} || {text}.data + {text}.length > {first} + {length}"
            low.check(
                f"{text}.length != 0 && ({missing}{outside})",
                f"a slice outside of {keeper.name}, which {field.name} borrows from",
                target.syntax,
            )
            low.emit(f"{where} = {text};")

        return emit

    def _store_code(self, target: Node, value: Node) -> Callable[[Lowerer], None]:
        kind = target.type
        place = target.place
        assert place is not None
        borrowers = place.field.owner.borrowers(place.field) if place.field is not None else []

        def emit(low: Lowerer) -> None:
            if not kind.managed:
                text = low.value(value)
                if value.operation.startswith(("call", "conditional")) or "(" in text:
                    text = low.temp(low.need_type(kind), text) if kind.c != "void" else text
                low.emit(f"{place.address(low)} = {text};")
                return
            text = low.simple(low.take(value), kind)
            if not value.is_constant:
                low.pend(text, kind)
            where = place.address(low)
            low.forget(text)
            old = low.temp(low.need_type(kind), where)
            low.emit(f"{where} = {text};")
            for borrower in borrowers:
                this = where.removesuffix(f"->{c_field(place.field.name)}") if place.field else ""
                low.need_type(borrower.type)
                low.emit(f"{this}->{c_field(borrower.name)} = ({borrower.type.c}){{0}};")
            low.release(old, kind)

        return emit

    def assign_local(
        self, target: ast.Name, value: Node, declared: Type | None = None
    ) -> Callable[[Lowerer], None]:
        """Declare or assign a local; gives the code."""
        name = target.id
        local = self.function.locals.get(name)
        if local is None:
            local = self._declare(target, value, declared)
        elif declared is not None and declared != local.type:
            raise CompileError(target, f"{name} is declared as {local.type} already")
        value = self.coerce(value, local.type, f"{name}")
        if local.parameter and local.type.managed:
            local.owned = True
        if self.narrowing is not None:
            self.narrowing.pop(name, None)
            self.narrowing[assigned_key(name)] = BOOL
            inner = self._inner_type(value)
            if is_optional(local.type) and not is_optional(inner) and inner != NONE:
                self.narrowing[name] = as_owned_as(inner, local.type)
        self.note_places(name, value.escapes)
        if value.owned and isinstance(local.type, RefType | BufferType | OwnedType):
            self.note_places(name, frozenset({f"kept {name}"}))
        return self.local_code(local, value)

    @staticmethod
    def _inner_type(value: Node) -> Type:
        while value.operation == "upcast":
            value = value.operands[0]
        return NONE if value.operation == "none" else value.type

    def local_code(self, local: Local, value: Node) -> Callable[[Lowerer], None]:
        """Code that stores a value in a local."""
        kind = local.type
        loose = value.unstable_base or value.loose_base
        if (
            isinstance(kind, SliceType | RefType | TupleType | AtomicType | VolatileType)
            and not kind.managed
        ):
            self.function.anchors |= names_in(value)
        hidden = self.hidden_owner(value) if loose and not kind.managed else None

        def emit(low: Lowerer) -> None:
            low.need_type(kind)
            if kind.managed:
                text = low.simple(low.take(value), kind)
                old = low.temp(kind.c, local.c_name)
                low.emit(f"{local.c_name} = {text};")
                low.release(old, kind)
                return
            if hidden is not None:
                low.need_type(hidden.type)
                with low.at(value.syntax):
                    low.holding = hidden.c_name
                    text = value.emit(low)
                    low.holding = ""
            else:
                text = low.value(value)
            low.emit(f"{local.c_name} = {text};")

        return emit

    def hidden_owner(self, value: Node) -> Local:
        """A variable that keeps alive what a borrowed slice or part points into."""
        base = value
        while not base.type.managed:
            base = base.operands[0]
        name = f"#{len(self.function.locals)}"
        kind = optional(base.type)
        assert kind is not None
        made = Local(name, kind, f"keep_{len(self.function.locals)}", owned=True)
        self.function.locals[name] = made
        return made

    def _declare(self, target: ast.Name, value: Node, declared: Type | None) -> Local:
        kind = declared or value.type
        name = target.id
        if declared is None:
            if isinstance(kind, ArrayType | TableType):
                kind = kind.as_slice
            if kind == UNTYPED:
                raise CompileError(
                    target,
                    f"the width of {name} is not known",
                    f"annotate it, as in {name}: u32 = …",
                )
            if kind == NONE and not value.is_constant:
                raise CompileError(target, "this call gives no value")
            if kind == NONE:
                raise CompileError(
                    target,
                    f"the type of {name} is not known",
                    f"annotate it: {name}: T | None = None",
                )
            if value.is_static or kind == NEVER:
                raise CompileError(target, f"{kind} is not stored in a local")
        local = Local(name, kind, c_local(name), owned=kind.managed)
        self.function.locals[name] = local
        return local

    def _annotated(self, node: ast.AnnAssign) -> Statement | None:
        if not isinstance(node.target, ast.Name):
            raise CompileError(node, "only locals are annotated in functions")
        kind = self.resolver.resolve(node.annotation)
        if isinstance(kind, ArrayType):
            return self._stack_array(node, kind)
        if node.value is None:
            name = node.target.id
            if name not in self.function.locals:
                local = Local(name, kind, c_local(name), owned=kind.managed)
                self.function.locals[name] = local
            return None
        value = self.expression(node.value, kind)
        assign = self.assign_local(node.target, value, kind)
        return Statement(f"assign {node.target.id}", assign, node, [value])

    def _stack_array(self, node: ast.AnnAssign, kind: ArrayType) -> Statement:
        assert isinstance(node.target, ast.Name)
        call = node.value
        if (
            not (isinstance(call, ast.Call) and ast.unparse(call.func).endswith("inline"))
            or not call.args
        ):
            raise CompileError(node, "a local array needs its length", "name: Array[T] = inline(n)")
        length = self.expression(call.args[0])
        if not length.is_constant:
            raise CompileError(call, "the length of a local array is a constant", "use a Buffer")
        if kind.element.managed:
            raise CompileError(node, "a local array holds values, not counted references")
        made = ArrayType(kind.element, int(length.constant))
        name = node.target.id
        storage = f"{c_local(name)}_storage{len(self.function.stack_arrays)}"
        self.function.stack_arrays.append((storage, element_c(made.element), made.length))
        self.stack_types.append(made.element)
        if name in self.function.locals:
            raise CompileError(node, f"{name} is declared twice")
        self.function.locals[name] = Local(name, made, c_local(name))
        self.note_places(name, frozenset({storage}))
        if self.narrowing is not None:
            self.narrowing[assigned_key(name)] = BOOL

        def emit(low: Lowerer) -> None:
            low.need("element", made.element)
            low.emit(f"memset({storage}, 0, sizeof({storage})); {c_local(name)} = {storage};")
            if embedded_element(made.element) and isinstance(made.element, RefType):
                from krait.compiler.objects import initialize, needs_start

                cls = made.element.cls
                if needs_start(cls):
                    low.need("class", cls)
                    index = low.name()
                    low.emit(f"for (u64 {index} = 0; {index} < {made.length}; {index}++) {{")
                    initialize(low, f"(&{storage}[{index}])", cls, {})
                    low.emit("}")

        return Statement(f"array {name}", emit, node)

    def _augmented(self, node: ast.AugAssign) -> Statement:
        self._refuse_operator(node, node.op)
        target = self.expression(ast.copy_location(self._as_load(node.target), node.target))
        if isinstance(node.target, ast.Name):
            value = self.binary(node, node.op, target, self.expression(node.value))
            assign = self.assign_local(node.target, value)
            return Statement(f"assign {node.target.id}", assign, node, [value])
        place = target.place
        if place is None:
            raise CompileError(node.target, "this is not assigned")
        kind = target.type
        right = self.expression(node.value)
        if not isinstance(kind, IntType | EnumType) and kind != BOOL:
            raise CompileError(node, f"{kind} has no augmented assignment")
        held = Node(target.operation, kind, lambda _: "0", node)
        self.binary(node, node.op, held, right)  # checks the operand types
        if right.type == UNTYPED and not isinstance(node.op, ast.LShift | ast.RShift):
            value = right.constant
            if value < 0 and isinstance(node.op, ast.BitAnd) and not getattr(kind, "signed", False):
                value &= (1 << kind.bits) - 1  # type: ignore[union-attr]
            right = constant_node(value, kind, right.syntax)
        elif not isinstance(node.op, ast.LShift | ast.RShift):
            right = self.coerce(right, kind)

        def emit(low: Lowerer) -> None:
            if quiet(right):
                where = place.address(low)
            else:
                with low.caution():
                    where = place.address(low)
            if place.unaligned or kind == BOOL:
                pointer = where
            else:
                pointer = f"*{low.temp(f'{low.need_type(kind)} *', f'&{where}')}"
            old = low.temp(low.need_type(kind), pointer)
            text = low.value(right)
            if kind == BOOL:
                from krait.compiler.integers import BITWISE

                low.emit(f"{pointer} = (bool)({old} {BITWISE[type(node.op)]} {text});")
                return
            made = arithmetic_code(low, node, node.op, old, text, kind, None, right)  # type: ignore[arg-type]
            low.emit(f"{pointer} = {made};")

        return Statement("update", emit, node, [target, right])

    @staticmethod
    def _as_load(node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Name):
            return ast.Name(node.id, ast.Load())
        if isinstance(node, ast.Attribute):
            return ast.Attribute(node.value, node.attr, ast.Load())
        assert isinstance(node, ast.Subscript)
        return ast.Subscript(node.value, node.slice, ast.Load())

    def _unpack(self, node: ast.stmt, target: ast.Tuple, expression: ast.expr) -> Statement:
        from krait.compiler.comparisons import Slot
        from krait.compiler.objects import tuple_field

        if isinstance(expression, ast.Tuple):
            pair = len(target.elts) == len(expression.elts) == 2
            if pair and same_place(target.elts[1], expression.elts[0]):
                return self._exchange(node, target, expression)
            return self._parallel(node, target, expression)
        value = self.expression(expression)
        if not isinstance(value.type, TupleType):
            raise CompileError(node, f"{value.type} is not unpacked", "return a NamedTuple")
        names = list(value.type.cls.fields)
        if len(names) != len(target.elts):
            raise CompileError(node, f"{value.type} has {len(names)} fields")
        slot = Slot(value)
        parts = []
        for element, name in zip(target.elts, names, strict=True):
            if not isinstance(element, ast.Name):
                raise CompileError(element, "only locals are unpacked into")
            attribute = ast.copy_location(ast.Attribute(expression, name, ast.Load()), element)
            part = tuple_field(self, attribute, slot.node, name)
            if element.id == "_":
                continue
            parts.append(self.assign_local(element, part))

        def emit(low: Lowerer) -> None:
            slot.fill(low)
            for part in parts:
                part(low)

        return Statement("unpack", emit, node, [value])

    def _exchange(self, node: ast.stmt, target: ast.Tuple, value: ast.Tuple) -> Statement:
        """`item, self.item = self.item, None`: take a reference out, moving its count."""
        local, place_syntax = target.elts
        if not isinstance(local, ast.Name):
            raise CompileError(local, "a reference is taken out into a local")
        place = self.expression(value.elts[0])
        if place.place is None or isinstance(place_syntax, ast.Name):
            raise CompileError(place_syntax, "this is not assigned")
        new = self.typed(value.elts[1], place.type, "this assignment")
        if not (new.is_constant or isinstance(value.elts[1], ast.Name)):
            raise CompileError(
                value.elts[1],
                "the new value is None or a local",
                "compute it in a statement before",
            )
        self.note_store(node, place.type, new)
        where = place.place
        kind = place.type
        fresh = Node(
            "exchange",
            kind,
            lambda low: exchange(low, where, kind, new),
            node,
            [place, new],
            owned=kind.managed,
        )
        assign = self.assign_local(local, fresh)
        return Statement("exchange", assign, node, [place, new])

    def _parallel(self, node: ast.stmt, target: ast.Tuple, value: ast.Tuple) -> Statement:
        from krait.compiler.comparisons import Slot

        if len(target.elts) != len(value.elts):
            raise CompileError(node, "the two sides have different lengths")
        values = [self.expression(each) for each in value.elts]
        slots: list[Slot] = []
        parts = []
        for element, found in zip(target.elts, values, strict=True):
            if not isinstance(element, ast.Name):
                raise CompileError(element, "only locals are assigned in parallel")
            local = self.function.locals.get(element.id)
            if found.type.managed:
                raise CompileError(element, "references are assigned one by one")
            if local is not None:
                found = self.coerce(found, local.type)
            copied = Node(
                found.operation,
                found.type,
                lambda low, n=found: low.temp(low.need_type(n.type), low.value(n)),  # type: ignore[misc]
                found.syntax,
                found.operands,
            )
            slot = Slot(copied if found.type != UNTYPED else found)
            slots.append(slot)
            parts.append(self.assign_local(element, slot.node))

        def emit(low: Lowerer) -> None:
            for slot in slots:
                slot.fill(low)
            for part in parts:
                part(low)

        return Statement("assign", emit, node, values)


def same_place(target: ast.expr, value: ast.expr) -> bool:
    """Whether an assignment's target and a value are the same field or element."""
    return isinstance(target, ast.Attribute | ast.Subscript) and ast.unparse(target) == ast.unparse(
        value
    )


def exchange(low: Lowerer, place: Place, kind: Type, new: Node) -> str:
    """Store a value and give the one that was there."""
    text = low.take(new) if kind.managed else low.value(new)
    where = place.address(low)
    old = low.temp(low.need_type(kind), where)
    low.emit(f"{where} = {text};")
    return old


def names_in(value: Node) -> set[str]:
    """The locals that an expression mentions."""
    found = {each for part in value.operands for each in names_in(part)}
    if value.operation.startswith("local "):
        found.add(value.operation.removeprefix("local "))
    return found
