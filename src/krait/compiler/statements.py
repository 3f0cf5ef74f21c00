"""Checking statements: assignment, control flow, errors and contexts."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.compiler import matching
from krait.compiler.diagnostics import CompileError
from krait.compiler.functions import Local
from krait.compiler.integers import arithmetic_code, constant_node
from krait.compiler.loops import LoopChecker
from krait.compiler.modules import lang_name
from krait.compiler.nodes import Node, Place, Statement, quiet
from krait.compiler.objects import c_field
from krait.compiler.scope import assigned_key, assigned_names, c_local, meet
from krait.compiler.types import (
    BOOL,
    ERRNO,
    NEVER,
    NONE,
    U32,
    UNTYPED,
    ArrayType,
    AtomicType,
    EnumType,
    IntType,
    RefType,
    SliceType,
    TableType,
    TupleType,
    Type,
    VolatileType,
    element_c,
    embedded_element,
    is_optional,
    optional,
)

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer

REFUSED: dict[type[ast.stmt], tuple[str, str]] = {
    ast.Global: ("`global` is refused", "keep state in a prebuilt object: `clock = Clock()`"),
    ast.Nonlocal: ("`nonlocal` is refused", "pass the object"),
    ast.FunctionDef: ("nested functions are refused", "define it at module level"),
    ast.AsyncFunctionDef: ("async is refused", ""),
    ast.ClassDef: ("nested classes are refused in functions", "define it at module level"),
    ast.Delete: ("`del` is refused", "assign None"),
    ast.AsyncFor: ("async is refused", ""),
    ast.AsyncWith: ("async is refused", ""),
}


class StatementChecker(LoopChecker):
    """The part of the function checker that types statements."""

    def block(self, body: list[ast.stmt]) -> list[Statement]:
        """Type statements; what follows a return or a raise is not looked at."""
        found: list[Statement] = []
        for node in body:
            if self.narrowing is None:
                break
            try:
                statement = self.statement(node)
            except CompileError as error:
                self.report_statement(error, node)
                if isinstance(node, ast.Return | ast.Raise):
                    self.narrowing = None
                continue
            if statement is not None:
                found.append(statement)
        return found

    def statement(self, node: ast.stmt) -> Statement | None:
        """Type one statement."""
        match node:
            case ast.Expr():
                return self._expression_statement(node)
            case ast.Assign():
                return self._assign(node)
            case ast.AnnAssign():
                return self._annotated(node)
            case ast.AugAssign():
                return self._augmented(node)
            case ast.Return():
                return self._return(node)
            case ast.If():
                return self._if(node)
            case ast.While():
                return self.while_loop(node)
            case ast.For():
                return self.for_loop(node)
            case ast.Break() | ast.Continue():
                return self.loop_jump(node)
            case ast.Raise():
                return self._raise(node)
            case ast.Try():
                return self._try(node)
            case ast.With():
                return self._with(node, node.items)
            case ast.Assert():
                return self._assert(node)
            case ast.Match():
                return matching.match_statement(self, node)
            case ast.Pass():
                return None
            case ast.ImportFrom():
                self._import(node)
                return None
        message, remedy = REFUSED.get(
            type(node), (f"{type(node).__name__} is not kernel Python", "")
        )
        raise CompileError(node, message, remedy)

    def _import(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            try:
                module = importlib.import_module(node.module or "")
                value = getattr(module, alias.name, None)
                if value is None:
                    value = importlib.import_module(f"{node.module}.{alias.name}")
            except ImportError as error:
                raise CompileError(node, str(error)) from None
            self.static_names[alias.asname or alias.name] = value

    def _expression_statement(self, node: ast.Expr) -> Statement | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        if isinstance(node.value, ast.Constant) and node.value.value is Ellipsis:
            return None
        value = self.expression(node.value)
        if value.is_static:
            raise CompileError(node, "this statement does nothing")
        if value.type == NEVER:
            self.narrowing = None

        def emit(low: Lowerer) -> None:
            text = low.value(value)
            if "(" in text and not value.owned:
                low.emit(f"(void){text};")

        return Statement("expression", emit, node, [value])

    # Assignment

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
            self.note_store(node, place.type, value)
            code = self._borrow_code(place, value) or self._store_code(place, value)
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
                self.narrowing[name] = inner
        self.escape_map[name] = value.escapes
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
        self.escape_map[name] = frozenset({storage})
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
        from krait.compiler.expressions import Slot
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
        from krait.compiler.expressions import Slot

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

    # Control flow

    def _return(self, node: ast.Return) -> Statement:
        if self.in_cleanup:
            raise CompileError(node, "return in a `finally` is refused", "return after it")
        result = self.function.result
        if result == NEVER:
            raise CompileError(node, "a NoReturn function does not return")
        value: Node | None = None
        if node.value is not None:
            value = self.expression(node.value, result)
            if result == NONE and value.type in (NONE, NEVER):
                pass
            else:
                value = self.coerce(value, result, "the result")
            self.note_return(node, value)
        elif result != NONE:
            raise CompileError(node, f"return needs a {result}")
        self.narrowing = None
        moved = self._moved_local(value)

        def emit(low: Lowerer) -> None:
            if value is None or result == NONE:
                if value is not None:
                    low.value(value)
                low.flush()
                low.leave(None)
                return
            if moved is not None and not any(each.code for each in low.scopes):
                text = low.temp(low.need_type(result), f"({result.c}){moved.c_name}")
                low.emit(f"{moved.c_name} = 0;")
            elif result.managed:
                text = low.take(value)
            else:
                text = low.value(value)
                if low.pending:
                    text = low.temp(low.need_type(result), text)
            low.flush()
            low.leave(text)

        return Statement("return", emit, node, [value] if value else [])

    def _moved_local(self, value: Node | None) -> Local | None:
        """A local whose count becomes the result's."""
        if value is None or not value.type.managed or isinstance(value.type, TupleType):
            return None
        while value.operation == "upcast":
            value = value.operands[0]
        if isinstance(value.syntax, ast.Name) and value.operation.startswith("local "):
            local = self.function.locals.get(value.operation.removeprefix("local "))
            if local is not None and local.owned:
                return local
        return None

    def _if(self, node: ast.If) -> Statement | None:
        test = self.condition(node.test)
        if test.is_constant:
            chosen = self.block(node.body if test.constant else node.orelse)
            return Statement("block", lambda low: low.block(chosen), node, [], [chosen])
        before = self.narrowing or {}
        self.narrowing = {**before, **test.when_true}
        body = self.block(node.body)
        after_body = self.narrowing
        self.narrowing = {**self.drop_assigned(before, node.body, test), **test.when_false}
        orelse = self.block(node.orelse)
        self.narrowing = meet(after_body, self.narrowing)

        def emit(low: Lowerer) -> None:
            text = low.value(test)
            if low.pending:
                text = low.temp("bool", text)
                low.flush()
            low.emit(f"if ({text}) {{")
            low.block(body)
            if orelse:
                low.emit("} else {")
                low.block(orelse)
            low.emit("}")

        return Statement("if", emit, node, [test], [body, orelse])

    @staticmethod
    def drop_assigned(
        narrowing: dict[str, Type], _body: list[ast.stmt], _test: Node
    ) -> dict[str, Type]:
        """What held before an `if` holds at its else, too."""
        return dict(narrowing)

    def _assert(self, node: ast.Assert) -> Statement | None:
        test = self.condition(node.test)
        why = "assertion failed"
        if node.msg is not None:
            message = self.expression(node.msg)
            if not isinstance(message.static, str):
                raise CompileError(node.msg, "the message of an assertion is a string")
            why = f"assertion failed: {message.static}"
        if self.narrowing is not None:
            self.narrowing = {**self.narrowing, **test.when_true}
        if test.is_constant and test.constant is False:
            self.narrowing = None

        def emit(low: Lowerer) -> None:
            low.check(f"!{low.value(test)}", why, node)

        return Statement("assert", emit, node, [test])

    # Errors

    def _raise(self, node: ast.Raise) -> Statement:
        if self.in_cleanup:
            raise CompileError(node, "raise in a `finally` is refused", "raise after it")
        if node.cause is not None and not isinstance(node.cause, ast.Constant):
            raise CompileError(node, "errors are not chained", "raise Errno(code) from None")
        self.note_raise(node)
        if node.exc is None:
            if not self.handlers:
                raise CompileError(node, "a bare raise stands only in an except block")
            self.narrowing = None
            return Statement("raise again", self._reraise, node)
        code = self._raised(node.exc)
        self.narrowing = None

        def emit(low: Lowerer) -> None:
            text = low.simple(low.value(code), U32)
            if not code.is_constant and code.type != ERRNO:
                low.check(f"{text} - 1 >= 4095", "no error number", node)
            low.emit(low.fail(text))
            low.pending.clear()

        return Statement("raise", emit, node, [code])

    @staticmethod
    def _reraise(low: Lowerer) -> None:
        low.emit(low.fail(low.caught[-1]))

    def _raised(self, node: ast.expr) -> Node:
        if isinstance(node, ast.Call):
            callee = self.expression(node.func)
            if lang_name(callee.static) == "Errno" and len(node.args) == 1:
                code = self.typed(node.args[0], U32, "an error number")
                if code.is_constant and not 0 < code.constant < 4096:
                    raise CompileError(node, f"{code.constant} is no error number")
                return code
        else:
            value = self.expression(node)
            if value.type == ERRNO:
                return value
        raise CompileError(node, "only Errno is raised", "raise Errno(EINVAL)")

    def _try(self, node: ast.Try) -> Statement:
        if node.finalbody:
            return self._try_finally(node)
        return self._try_except(node)

    def _try_finally(self, node: ast.Try) -> Statement:
        before = dict(self.narrowing or {})
        inner: list[Statement]
        if node.handlers or node.orelse:
            plain = ast.copy_location(ast.Try(node.body, node.handlers, node.orelse, []), node)
            statement = self._try_except(plain)
            inner = [statement]
        else:
            inner = self.block(node.body)
        after = self.narrowing
        changed = assigned_names(node.body)
        self.narrowing = {n: t for n, t in before.items() if n not in changed}
        self.in_cleanup += 1
        final = self.block(node.finalbody)
        self.in_cleanup -= 1
        ends = self.narrowing is None
        final_changes = assigned_names(node.finalbody)
        self.narrowing = (
            None
            if after is None or ends
            else {n: t for n, t in after.items() if n not in final_changes}
        )
        return Statement(
            "try finally",
            lambda low: cleanup(low, inner, lambda: low.block(final)),
            node,
            [],
            [inner, final],
        )

    def _try_except(self, node: ast.Try) -> Statement:
        if len(node.handlers) != 1:
            raise CompileError(node, "one `except Errno` at a time", "compare error.code")
        handler = node.handlers[0]
        if handler.type is None or lang_name(self.expression(handler.type).static) != "Errno":
            raise CompileError(handler, "only Errno is caught", "except Errno as error:")
        before = dict(self.narrowing or {})
        self.try_depth += 1
        body = self.block(node.body)
        self.try_depth -= 1
        orelse = self.block(node.orelse) if self.narrowing is not None else []
        after = self.narrowing
        changed = assigned_names(node.body)
        self.narrowing = {n: t for n, t in before.items() if n not in changed}
        variable: Local | None = None
        if handler.name:
            variable = self.function.locals.get(handler.name)
            if variable is not None and variable.type != ERRNO:
                raise CompileError(handler, f"{handler.name} is {variable.type} already")
            if variable is None:
                variable = Local(handler.name, ERRNO, c_local(handler.name))
                self.function.locals[handler.name] = variable
            self.narrowing[assigned_key(handler.name)] = BOOL
        self.handlers += 1
        caught = self.block(handler.body)
        self.handlers -= 1
        self.narrowing = meet(after, self.narrowing)

        def emit(low: Lowerer) -> None:
            from krait.compiler.lowering import Scope

            label, end = low.label("caught"), low.label("done")
            low.scopes.append(Scope("try", error_label=label))
            low.emit("{")
            low.block(body)
            low.emit("}")
            low.scopes.pop()
            low.block(orelse)
            if label not in low.used_labels:
                return
            low.emit(f"goto {low.use_label(end)};")
            low.place_label(label)
            low.emit("{")
            kept = low.temp("u32", "error")
            low.emit("error = 0;")
            if variable is not None:
                low.emit(f"{variable.c_name} = {kept};")
            low.caught.append(kept)
            low.block(caught)
            low.caught.pop()
            low.emit("}")
            low.place_label(end)

        return Statement("try except", emit, node, [], [body, orelse, caught])

    # Contexts

    def _with(self, node: ast.With, items: list[ast.withitem]) -> Statement:
        item, rest = items[0], items[1:]
        expression = item.context_expr
        if isinstance(expression, ast.Call):
            callee = self.expression(expression.func)
            if lang_name(callee.static) == "pinned":
                return self._pinned(node, rest)
        context = self.expression(expression)
        if isinstance(context.type, RefType) and context.type.cls.find_method("__enter__") is None:
            raise CompileError(expression, f"{context.type} has no __enter__")
        if not isinstance(context.type, RefType) or context.type.optional:
            raise CompileError(expression, f"{context.type} is not used in `with`")
        name = f"#with{len(self.function.locals)}"
        holder = Local(
            name, context.type, f"context_{len(self.function.locals)}", owned=context.type.managed
        )
        self.function.locals[name] = holder
        keep = self.local_code(holder, context)
        held = Node(
            f"local {name}",
            context.type,
            lambda _: holder.c_name,
            expression,
            escapes=context.escapes,
        )
        enter = self.method_call(expression, held, "__enter__", [], [])
        bind: Callable[[Lowerer], None] | None = None
        if item.optional_vars is not None:
            if not isinstance(item.optional_vars, ast.Name):
                raise CompileError(item.optional_vars, "`as` names a local")
            bind = self.assign_local(item.optional_vars, enter)
        self.in_cleanup += 1
        leave = self.method_call(expression, held, "__exit__", [], [])
        self.in_cleanup -= 1
        body = [self._with(node, rest)] if rest else self.block(node.body)

        def emit(low: Lowerer) -> None:
            keep(low)
            if bind is not None:
                bind(low)
            else:
                low.value(enter)
            low.flush()

            def release() -> None:
                with low.temporaries():
                    low.value(leave)

            cleanup(low, body, release)

        return Statement("with", emit, node, [context], [body])

    def _pinned(self, node: ast.With, rest: list[ast.withitem]) -> Statement:
        body = [self._with(node, rest)] if rest else self.block(node.body)

        def emit(low: Lowerer) -> None:
            low.emit("KRAIT_PIN();")
            cleanup(low, body, lambda: low.emit("KRAIT_UNPIN();"))

        return Statement("with pinned", emit, node, [], [body])


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


def cleanup(low: Lowerer, body: list[Statement], code: Callable[[], None]) -> None:
    """Lower a body and what must run on every way out of it."""
    from krait.compiler.lowering import Scope

    label, end = low.label("cleanup"), low.label("done")
    low.scopes.append(Scope("cleanup", error_label=label, code=code))
    low.emit("{")
    low.block(body)
    low.emit("}")
    low.scopes.pop()
    low.emit("{")
    code()
    low.emit("}")
    if label not in low.used_labels:
        return
    low.emit(f"goto {low.use_label(end)};")
    low.place_label(label)
    low.emit("{")
    kept = low.temp("u32", "error")
    code()
    low.emit(low.fail(kept))
    low.emit("}")
    low.place_label(end)
