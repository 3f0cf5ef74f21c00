"""Checking expressions: from syntax to typed nodes."""

from __future__ import annotations

import ast
import builtins
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from krait.compiler import integers, objects, slices
from krait.compiler.coercions import CoercionChecker, borrow
from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import common_type, constant_node, fits
from krait.compiler.modules import MISSING, is_lang
from krait.compiler.nodes import NO_CONSTANT, Node, Place
from krait.compiler.scope import assigned_key
from krait.compiler.types import (
    BOOL,
    NONE,
    STATIC,
    U64,
    UNTYPED,
    ArrayType,
    BufferType,
    CallableType,
    EnumType,
    IntType,
    OwnedType,
    RefType,
    StaticType,
    TableType,
    TupleType,
    Type,
    as_owned_as,
    is_optional,
    present,
)
from krait.compiler.values import BuildTimeOnly

if TYPE_CHECKING:
    from krait.compiler.functions import Local
    from krait.compiler.lowering import Lowerer

REFUSED: dict[type[ast.expr], tuple[str, str]] = {
    ast.Lambda: ("lambda is refused in functions", "define a top-level function"),
    ast.ListComp: ("comprehensions are refused in functions", "write a loop over an Array"),
    ast.SetComp: ("comprehensions are refused in functions", "write a loop"),
    ast.DictComp: ("comprehensions are refused in functions", "write a loop"),
    ast.GeneratorExp: ("generators are refused in functions", "write a loop"),
    ast.Yield: ("generators are refused", "return a value, or take a callback"),
    ast.YieldFrom: ("generators are refused", "return a value, or take a callback"),
    ast.Await: ("await is refused", "kernel threads sleep on wait queues"),
    ast.Dict: ("there is no dict at run time", "use an array, or build the table at module level"),
    ast.Set: ("there is no set at run time", "use flags or an array"),
    ast.List: ("there is no list at run time", "use `name: Array[T] = inline(n)` or a Buffer"),
    ast.Tuple: ("plain tuples exist only at build time", "declare a NamedTuple"),
    ast.JoinedStr: ("f-strings are refused in functions", 'log("… {}", value) takes arguments'),
    ast.Starred: ("*arguments are refused", "write the arguments out"),
}


class ExpressionChecker(CoercionChecker):
    """The part of the function checker that types expressions."""

    def expression(self, node: ast.expr, expected: Type | None = None) -> Node:
        """Type an expression; `expected` helps where the type depends on the use."""
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self.name(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.BinOp():
                return self._binary(node)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BoolOp():
                return self._boolean(node)
            case ast.Compare():
                return self._compare(node)
            case ast.Call():
                return self.call(node, expected)
            case ast.Subscript():
                return self._subscript(node)
            case ast.IfExp():
                return self._conditional(node, expected)
            case ast.NamedExpr():
                return self._walrus(node)
        message, remedy = REFUSED.get(
            type(node), (f"{type(node).__name__} is not kernel Python", "")
        )
        raise CompileError(node, message, remedy)

    def typed(self, node: ast.expr, kind: Type, what: str = "") -> Node:
        """Type an expression that must have, or convert to, a given type."""
        return self.coerce(self.expression(node, kind), kind, what)

    def condition(self, node: ast.expr) -> Node:
        """Type an expression used as a truth value."""
        found = self.expression(node)
        if found.type != BOOL:
            remedy = "compare it, as in `n != 0`"
            if is_optional(found.type):
                remedy = "use `is None` or `is not None`"
            raise CompileError(node, f"{found.type} has no truth value", remedy)
        return found

    # Conversions that need no spelling

    # Leaves

    def _constant(self, node: ast.Constant) -> Node:
        value = node.value
        if value is None:
            return Node("none", NONE, lambda _: "0", node, constant=None)
        if isinstance(value, bool):
            return constant_node(value, BOOL, node)
        if isinstance(value, int):
            return constant_node(value, UNTYPED, node)
        if isinstance(value, str):
            return Node("text", StaticType("str"), lambda _: "0", node, static=value)
        if isinstance(value, bytes):
            return self.build_value(value, node, None)
        if value is Ellipsis:
            raise CompileError(node, "`...` is not a value")
        raise CompileError(node, f"{type(value).__name__} is not a kernel type")

    def name(self, node: ast.Name) -> Node:
        """Type a name: a local, a type variable, or a module-level value."""
        local = self.function.locals.get(node.id)
        if local is not None:
            return self._local(node, local)
        if node.id in self.local_names:
            raise CompileError(node, f"{node.id} is used before it is assigned")
        if node.id in self.function.bindings:
            bound = self.function.bindings[node.id]
            return Node("type", STATIC, lambda _: "0", node, static=bound)
        value = self.lookup(node.id)
        if value is MISSING:
            raise CompileError(node, f"the name {node.id} is not defined")
        declared = None if isinstance(value, BuildTimeOnly) else self._declared(node.id)
        return self.build_value(value, node, declared)

    def lookup(self, name: str) -> Any:
        """The build-time value of a global name."""
        if name in self.static_names:
            return self.static_names[name]
        value = self.function.module.lookup(name)
        return getattr(builtins, name, MISSING) if value is MISSING else value

    def _declared(self, name: str) -> Type | None:
        annotation = self.function.module.annotations.get(name)
        if annotation is not None:
            return self.program.declared_types.of_annotation(self.function.module, annotation)
        return self.program.declared_types.of_import(self.function.module, name)

    def _local(self, node: ast.Name, local: Local) -> Node:
        kind, cast = local.type, False
        if self.narrowing is not None:
            if assigned_key(node.id) not in self.narrowing:
                raise CompileError(
                    node,
                    f"{node.id} may be unset here",
                    f"give {node.id} a value on every path before",
                )
            kind = self.narrowing.get(node.id, kind)
        if kind is not local.type:
            kind = as_owned_as(kind, local.type)
            cast = kind != local.type and present(local.type) != kind
        copies, managed = node.id in self.walrus, kind.managed

        def emit(low: Lowerer) -> str:
            text = local.c_name
            if cast:
                text = f"(({low.need_type(kind)}){text})"
            return low.temp(low.need_type(kind), text) if copies else text

        return Node(
            f"local {node.id}",
            kind,
            emit,
            node,
            place=Place(lambda _: local.c_name, local.type),
            last_use_of=local if managed and node in self.final_uses and not copies else None,
            loose_base=managed and node.id in self.reassigned,
            escapes=frozenset({f"local {node.id}"}),
        )

    # Attributes

    def _attribute(self, node: ast.Attribute) -> Node:
        owner = self.expression(node.value)
        return self.attribute(node, owner)

    def attribute(self, node: ast.Attribute, owner: Node) -> Node:
        """Type `owner.name`."""
        if owner.is_static:
            return self._static_attribute(node, owner)
        if isinstance(owner.type, OwnedType):
            owner = borrow(owner)
        kind = owner.type
        if is_optional(kind):
            raise CompileError(
                node,
                f"{kind} may be None here",
                "narrow a local first: `if (x := …) is not None:`; only locals narrow",
            )
        if isinstance(kind, RefType):
            return objects.field(self, node, owner, node.attr)
        if isinstance(kind, TupleType):
            return objects.tuple_field(self, node, owner, node.attr)
        found = slices.attribute(self, node, owner, node.attr)
        if found is not None:
            return found
        raise CompileError(node, f"{kind} has no attribute {node.attr}")

    def _static_attribute(self, node: ast.Attribute, owner: Node) -> Node:
        value = owner.static
        if isinstance(value, IntType) and hasattr(value, node.attr):  # T.bits of a type variable
            return constant_node(getattr(value, node.attr), UNTYPED, node)
        if isinstance(value, ModuleType) and not hasattr(value, node.attr):
            raise CompileError(node, f"module {value.__name__} has no {node.attr}")
        if isinstance(value, Type):
            return Node(
                "method", STATIC, lambda _: "0", node, static=objects.StaticMember(value, node.attr)
            )
        if isinstance(value, type) and node.attr in getattr(value, "__dict__", {}):
            member = value.__dict__[node.attr]
            if isinstance(member, staticmethod):
                return Node("function", STATIC, lambda _: "0", node, static=member.__func__)
        if not hasattr(value, node.attr):
            raise CompileError(node, f"{value!r} has no attribute {node.attr} at build time")
        found = getattr(value, node.attr)
        if (
            isinstance(value, type)
            and callable(found)
            and not isinstance(found, type | FunctionType)
        ):
            return Node(
                "method", STATIC, lambda _: "0", node, static=objects.StaticMember(value, node.attr)
            )
        declared = None
        if isinstance(value, ModuleType) and not is_lang(value.__name__):
            declared = self.program.declared_types.of_module_name(value.__name__, node.attr)
        elif isinstance(value, type) and not isinstance(found, type | FunctionType):
            declared = self.program.declared_types.of_class_constant(value, node.attr)
        return self.build_value(found, node, declared)

    def build_value(self, value: Any, node: ast.AST, declared: Type | None) -> Node:
        """Type a value that CPython computed."""
        return self.program.values.node(value, node, declared)

    # Operators

    def _binary(self, node: ast.BinOp) -> Node:
        left = self.expression(node.left)
        right = self.expression(node.right)
        op = node.op
        self._refuse_operator(node, op)
        if left.is_constant and right.is_constant and left.type == right.type == UNTYPED:
            value = integers.fold(node, op, left.constant, right.constant)
            return constant_node(value, UNTYPED, node)
        return self.binary(node, op, left, right)

    @staticmethod
    def _refuse_operator(node: ast.AST, op: ast.operator) -> None:
        if isinstance(op, ast.Div):
            raise CompileError(node, "kernel Python has no `/`", "use `//`")
        if isinstance(op, ast.MatMult):
            raise CompileError(node, "kernel Python has no `@`")

    def binary(self, node: ast.AST, op: ast.operator, left: Node, right: Node) -> Node:
        """Type a binary operation."""
        if isinstance(op, ast.Pow):
            raise CompileError(node, "kernel Python has no `**`", "use `*` or a shift")
        if isinstance(op, ast.LShift | ast.RShift):
            kind = left.type
            if kind == UNTYPED:
                raise CompileError(node, "the shifted value needs a width", "write u32(1) << n")
            if not isinstance(right.type, IntType) and right.type != UNTYPED:
                raise CompileError(node, f"a shift count is an integer, not {right.type}")
            width = getattr(kind, "bits", 64)
            if right.is_constant and not 0 <= right.constant < width:
                raise CompileError(
                    node, f"shift of {kind} by {right.constant}", f"the width is {width}"
                )
            if isinstance(right.type, IntType) and right.type.signed:
                raise CompileError(node, "a shift count is unsigned", "convert it: u32(n)")
        else:
            if isinstance(op, ast.BitAnd):
                left, right = self._masks(left, right)
            kind = common_type(node, left, right, f"`{integers.SYMBOLS[type(op)]}`")
            if isinstance(kind, EnumType) and left.type != right.type:
                other = left if left.type == UNTYPED else right
                other = constant_node(other.constant, kind, other.syntax)
                left, right = (other, right) if left.type == UNTYPED else (left, other)
            left, right = self.coerce(left, kind), self.coerce(right, kind)
        if kind == BOOL and type(op) in integers.BITWISE:
            symbol = integers.BITWISE[type(op)]
            return Node(
                symbol,
                BOOL,
                lambda low: f"((bool)({low.value(left)} {symbol} {low.value(right)}))",
                node,
                [left, right],
            )
        if isinstance(kind, EnumType):
            if not kind.flags:
                raise CompileError(node, f"{kind} is no number", f"convert it: u{kind.bits}(…)")
            if type(op) not in integers.BITWISE:
                raise CompileError(node, f"flags have no `{integers.SYMBOLS[type(op)]}`")
        elif not isinstance(kind, IntType):
            raise CompileError(node, f"{kind} has no `{integers.SYMBOLS[type(op)]}`")
        if right.type == UNTYPED and isinstance(op, ast.LShift | ast.RShift):
            right = constant_node(right.constant, UNTYPED, right.syntax)
        if isinstance(op, ast.FloorDiv | ast.Mod) and right.is_constant and right.constant == 0:
            raise CompileError(node, "division by zero")
        folded = self._fold_typed(op, left, right, kind)
        if folded is not None:
            return constant_node(folded, kind, node)
        return integers.arithmetic(node, op, left, right, kind)

    @staticmethod
    def _fold_typed(op: ast.operator, left: Node, right: Node, kind: Type) -> int | None:
        if not (left.is_constant and right.is_constant):
            return None
        if isinstance(op, ast.FloorDiv | ast.Mod | ast.LShift | ast.RShift):
            limit = 64 if isinstance(op, ast.LShift | ast.RShift) else None
            if right.constant <= 0 or (limit and right.constant >= limit):
                return None
        value = integers.FOLDED[type(op)](left.constant, right.constant)
        return value if fits(value, kind) else None

    @staticmethod
    def _masks(left: Node, right: Node) -> tuple[Node, Node]:
        """`x & ~0xfff`: a negative untyped mask keeps the high bits."""

        def mask(node: Node, other: Node) -> Node:
            kind = other.type
            if node.type == UNTYPED and isinstance(kind, IntType | EnumType) and node.constant < 0:
                if not (isinstance(kind, IntType) and kind.signed):
                    return constant_node(node.constant & ((1 << kind.bits) - 1), kind, node.syntax)
            return node

        return mask(left, right), mask(right, left)

    def _unary(self, node: ast.UnaryOp) -> Node:
        if isinstance(node.op, ast.Not):
            value = self.condition(node.operand)
            constant = (not value.constant) if value.is_constant else NO_CONSTANT
            return Node(
                "not",
                BOOL,
                lambda low: f"(!{low.value(value)})",
                node,
                [value],
                constant=constant,
                when_true=value.when_false,
                when_false=value.when_true,
            )
        value = self.expression(node.operand)
        kind = value.type
        if kind == UNTYPED and value.is_constant:
            signs = {
                ast.USub: -value.constant,
                ast.UAdd: value.constant,
                ast.Invert: ~value.constant,
            }
            return constant_node(signs[type(node.op)], UNTYPED, node)
        if isinstance(node.op, ast.Invert) and isinstance(kind, IntType | EnumType):
            if value.is_constant:
                inverted = ~value.constant
                if not (isinstance(kind, IntType) and kind.signed):
                    inverted &= (1 << kind.bits) - 1
                return constant_node(inverted, kind, node)
            return Node("~", kind, lambda low: f"(({kind.c})~{low.value(value)})", node, [value])
        if isinstance(node.op, ast.USub) and isinstance(kind, IntType) and kind.signed:
            return self.binary(node, ast.Sub(), constant_node(0, kind, node), value)
        if isinstance(node.op, ast.USub) and isinstance(kind, IntType):
            raise CompileError(
                node,
                f"{kind} has no negative",
                f"write {kind}(0).wrapping_sub(x), or use a signed type",
            )
        raise CompileError(node, f"{kind} has no such operator")

    # Indexing, conditions, assignment expressions

    def _subscript(self, node: ast.Subscript) -> Node:
        owner = self.expression(node.value)
        if owner.is_static:
            return self._static_subscript(node, owner)
        if isinstance(node.slice, ast.Slice):
            raise CompileError(node, "slices are taken with part()", "s.part(a, b)")
        if is_optional(owner.type):
            raise CompileError(node, f"{owner.type} may be None here", "narrow a local first")
        return slices.index(self, node, owner, self.expression(node.slice))

    def _static_subscript(self, node: ast.Subscript, owner: Node) -> Node:
        if isinstance(owner.static, type) or is_lang(getattr(owner.static, "__module__", "") or ""):
            kind = self.resolver.resolve(node)
            return Node("type", STATIC, lambda _: "0", node, static=kind)
        if isinstance(owner.static, FunctionType):
            raise CompileError(node, "type arguments of functions are inferred", "leave them out")
        key = self.expression(node.slice)
        known = key.static if key.is_static else key.constant
        if known is NO_CONSTANT:
            raise CompileError(
                node,
                f"{type(owner.static).__name__} is known only at build time",
                "make it a list or tuple for lookups at run time",
            )
        try:
            return self.build_value(owner.static[known], node, None)
        except (KeyError, IndexError, TypeError) as error:
            raise CompileError(node, f"this fails at build time: {error}") from None

    def _conditional(self, node: ast.IfExp, expected: Type | None) -> Node:
        test = self.condition(node.test)
        if test.is_constant:
            return self.expression(node.body if test.constant else node.orelse, expected)
        saved = self.narrowing
        if saved is not None:
            self.narrowing = {**saved, **test.when_true}
        left = self.expression(node.body, expected)
        if saved is not None:
            self.narrowing = {**saved, **test.when_false}
        right = self.expression(node.orelse, expected)
        self.narrowing = saved
        if left.type == right.type == UNTYPED and not isinstance(expected, IntType | EnumType):

            def retype(wanted: Type) -> Node:
                return self.choice(
                    node, test, self.coerce(left, wanted), self.coerce(right, wanted), wanted
                )

            return Node(
                "conditional", UNTYPED, lambda _: "0", node, [test, left, right], retype=retype
            )
        kind = self._unify(node, left, right, expected)
        sides = (self.coerce(left, kind), self.coerce(right, kind))
        for side in sides:
            self.refuse_unkept(side, "chosen by a conditional", "write an if statement")
        return self.choice(node, test, *sides, kind)

    def choice(self, node: ast.AST, test: Node, left: Node, right: Node, kind: Type) -> Node:
        """A conditional expression whose sides have the same type."""
        managed = kind.managed

        def emit(low: Lowerer) -> str:
            chosen = low.value(test)
            out = low.name()
            with low.buffer() as yes, low.temporaries():
                low.emit(f"{out} = {low.take(left) if managed else low.value(left)};")
            with low.buffer() as no, low.temporaries():
                low.emit(f"{out} = {low.take(right) if managed else low.value(right)};")
            low.emit(f"{low.need_type(kind)} {out};")
            low.emit(f"if ({chosen}) {{")
            low.lines.extend(yes)
            low.emit("} else {")
            low.lines.extend(no)
            low.emit("}")
            return out

        return Node(
            "conditional",
            kind,
            emit,
            node,
            [test, left, right],
            owned=managed,
            escapes=left.escapes | right.escapes,
        )

    def _unify(self, node: ast.AST, left: Node, right: Node, expected: Type | None) -> Type:
        if left.type == UNTYPED and right.type == UNTYPED:
            if expected is not None and isinstance(expected, IntType):
                return expected
            raise CompileError(node, "both sides are untyped constants", "give one a width: u32(1)")
        if left.type == right.type and not isinstance(left.type, ArrayType | TableType):
            return left.type
        if expected is not None and expected not in (NONE, BOOL) and left.type != BOOL:
            return expected
        for kind in (left.type, right.type):
            if isinstance(kind, ArrayType | TableType):
                return kind.as_slice
        if left.type == UNTYPED:
            return right.type
        if right.type == UNTYPED:
            return left.type
        for one, other in ((left.type, right.type), (right.type, left.type)):
            if other == NONE and isinstance(one, RefType | OwnedType | BufferType | CallableType):
                from krait.compiler.types import optional

                found = optional(one)
                assert found is not None
                return found
            if present(one) == other:
                return one
            if isinstance(one, RefType) and isinstance(other, RefType):
                if other.cls.is_subclass(one.cls):
                    return RefType(one.cls, one.optional or other.optional)
        return common_type(node, left, right, "a conditional expression")

    def _walrus(self, node: ast.NamedExpr) -> Node:
        assert isinstance(node.target, ast.Name)
        name = node.target.id
        if self.occurrences.read_before(node.target):  # an operand may still stand for the old one
            raise CompileError(
                node, f"{name} is read earlier in this statement", "assign it in one of its own"
            )
        value = self.expression(node.value)
        assign = self.assign_local(node.target, value)
        local = self.function.locals[name]
        kind = self.narrowing.get(name, local.type) if self.narrowing is not None else local.type

        def emit(low: Lowerer) -> str:
            assign(low)
            return low.temp(low.need_type(local.type), local.c_name)

        marks = frozenset({f"local {name}"})
        return Node(f"local {name}", kind, emit, node, [value], escapes=marks)

    def index_value(self, node: Node) -> Node:
        """An index: any unsigned integer, widened."""
        kind = node.type
        if node.retype is not None:
            return node.retype(U64)
        if kind == UNTYPED:
            if node.constant < 0:
                raise CompileError(node.syntax, "an index is not negative")
            return constant_node(node.constant, U64, node.syntax)
        if isinstance(kind, IntType) and not kind.signed:
            return node
        if isinstance(kind, EnumType):
            return node
        raise CompileError(node.syntax, f"an index is unsigned, not {kind}", "convert it: usize(i)")
