"""Functions of the language and the few Python built-ins that exist at run time."""

from __future__ import annotations

import ast
import string
from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.compiler import slices
from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import common_type, constant_node
from krait.compiler.nodes import Node
from krait.compiler.types import (
    BOOL,
    NEVER,
    NONE,
    U64,
    UNTYPED,
    ArrayType,
    AtomicType,
    BigEndian,
    BufferType,
    CallableType,
    EnumType,
    ErrnoType,
    IntType,
    PerCpuType,
    RefType,
    SliceType,
    TableType,
    TupleType,
    Type,
    UserPointerType,
    WeakType,
    element_c,
    is_optional,
)

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker
    from krait.compiler.lowering import Lowerer

Handler = Callable[["ExpressionChecker", ast.Call, "Type | None"], Node]
FORMATS = {"": 0, "d": 0, "x": 2, "c": 3}


def arguments_of(
    checker: ExpressionChecker, node: ast.Call, least: int, most: int | None = None
) -> list[ast.expr]:
    """Positional arguments, counted."""
    most = least if most is None else most
    name = ast.unparse(node.func)
    if not least <= len(node.args) <= most:
        raise CompileError(node, f"{name}() takes {least} argument(s), {len(node.args)} given")
    return node.args


def type_argument(checker: ExpressionChecker, node: ast.expr) -> Type:
    """An argument that names a type."""
    return checker.resolver.resolve(node)


def static_text(checker: ExpressionChecker, node: ast.expr) -> str:
    """An argument that is a string known at build time."""
    value = checker.expression(node)
    if not isinstance(value.static, str):
        raise CompileError(node, "this must be a string known at build time")
    return value.static


# Python's built-ins


def length(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`len(CONSTANT)`."""
    value = checker.expression(arguments_of(checker, node, 1)[0])
    if value.is_static and hasattr(value.static, "__len__"):
        return constant_node(len(value.static), UNTYPED, node)
    if isinstance(value.type, TableType | ArrayType):
        return constant_node(value.type.length, UNTYPED, node)
    if isinstance(value.type, SliceType | BufferType):
        return Node("length", U64, lambda low: slices.parts(low, value)[1], node, [value])
    raise CompileError(node, f"{value.type} has no len()", "use .length")


def extreme(symbol: str, name: str) -> Handler:
    """`min` and `max` of equal widths."""

    def handle(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
        if len(node.args) < 2:
            raise CompileError(node, f"{name}() takes at least two numbers")
        values = [checker.expression(each) for each in node.args]
        result = values[0]
        for value in values[1:]:
            result = pair(checker, node, result, value)
        return result

    def pair(checker: ExpressionChecker, node: ast.Call, left: Node, right: Node) -> Node:
        kind = common_type(node, left, right, f"{name}()")
        if left.is_constant and right.is_constant:
            chosen = min if name == "min" else max
            return constant_node(chosen(left.constant, right.constant), kind, node)
        if not isinstance(kind, IntType):
            raise CompileError(node, f"{name}() works on integers, not {kind}")
        a, b = checker.coerce(left, kind), checker.coerce(right, kind)

        def emit(low: Lowerer) -> str:
            one = low.simple(low.value(a), kind)
            other = low.simple(low.value(b), kind)
            return f"({one} {symbol} {other} ? {one} : {other})"

        return Node(name, kind, emit, node, [a, b])

    return handle


def absolute(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`abs(x)`."""
    value = checker.expression(arguments_of(checker, node, 1)[0])
    if not isinstance(value.type, IntType) or not value.type.signed:
        raise CompileError(node, f"abs() works on signed integers, not {value.type}")
    zero = constant_node(0, value.type, node)
    negated = checker.binary(node, ast.Sub(), zero, value)

    def emit(low: Lowerer) -> str:
        text = low.simple(low.value(value), value.type)
        out = low.temp(value.type.c, text)
        low.emit(f"if ({out} < 0) {{")
        low.emit(f"{out} = {low.value(negated)}; }}")
        return out

    return Node("abs", value.type, emit, node, [value])


def is_instance(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`isinstance(x, Sub)`: also narrows a local."""
    where, what = arguments_of(checker, node, 2)
    value = checker.expression(where)
    wanted = type_argument(checker, what)
    if not isinstance(value.type, RefType) or not isinstance(wanted, RefType):
        raise CompileError(node, "isinstance() works on references to classes")
    if not wanted.cls.is_subclass(value.type.cls) and not value.type.cls.is_subclass(wanted.cls):
        raise CompileError(node, f"{value.type} is never {wanted}")
    if value.type.cls.is_subclass(wanted.cls):
        facts: dict[str, Type] = {}
        if value.operation.startswith("local ") and is_optional(value.type):
            facts = {value.operation.removeprefix("local "): RefType(value.type.cls)}
        return Node(
            "isinstance",
            BOOL,
            lambda low: f"({low.value(value)} != 0)",
            node,
            [value],
            when_true=facts,
        )
    wanted.cls.root.needs_identity = True
    maybe_none = value.type.optional

    def emit(low: Lowerer) -> str:
        low.need("class", value.type.cls)  # type: ignore[attr-defined]
        low.need("vtable_type", wanted.cls.root)
        low.need("identity", wanted.cls)
        text = low.simple(low.value(value), value.type)
        name = wanted.cls.c_name
        test = f"(u32)({text}->vtable->identity - identity_{name}) <= identities_{name}"
        return f"({text} != 0 && {test})" if maybe_none else f"({test})"

    narrowed: dict[str, Type] = {}
    if value.operation.startswith("local "):
        narrowed = {value.operation.removeprefix("local "): wanted}
    return Node("isinstance", BOOL, emit, node, [value], when_true=narrowed)


# Bits


def count_bits(form: str) -> Handler:
    """Bit counting; `form` has {x}, {bits} and the suffix of the GCC built-in."""

    def handle(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
        value = checker.expression(arguments_of(checker, node, 1)[0])
        kind = value.type
        if not isinstance(kind, IntType) or kind.signed:
            raise CompileError(node, f"this works on unsigned integers, not {kind}")

        def emit(low: Lowerer) -> str:
            text = low.simple(low.value(value), kind)
            return f"(({kind.c}){form.format(x=text, bits=kind.bits)})"

        return Node("count bits", kind, emit, node, [value])

    return handle


def byteswap(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """Reverse the bytes."""
    value = checker.expression(arguments_of(checker, node, 1)[0])
    kind = value.type
    if not isinstance(kind, IntType) or kind.bits == 8:
        raise CompileError(node, f"byteswap() does not work on {kind}")
    return Node(
        "byteswap",
        kind,
        lambda low: f"(({kind.c})__builtin_bswap{kind.bits}({low.value(value)}))",
        node,
        [value],
    )


def align(up: bool) -> Handler:
    """`align_up`, `align_down` to a power of two."""

    def handle(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
        first, second = (checker.expression(each) for each in arguments_of(checker, node, 2))
        kind = common_type(node, first, second, "alignment")
        if kind == UNTYPED:
            unit = second.constant
            value = (first.constant + unit - 1 if up else first.constant) // unit * unit
            return constant_node(value, UNTYPED, node)
        if not isinstance(kind, IntType):
            raise CompileError(node, f"{kind} is not aligned")
        first, second = checker.coerce(first, kind), checker.coerce(second, kind)
        if second.is_constant and (second.constant <= 0 or second.constant & (second.constant - 1)):
            raise CompileError(node, f"alignment {second.constant} is no power of two")

        def emit(low: Lowerer) -> str:
            value = low.value(first)
            unit = low.simple(low.value(second), kind)
            if not second.is_constant:
                low.check(
                    f"{unit} == 0 || ({unit} & ({unit} - 1)) != 0",
                    "alignment is no power of two",
                    node,
                )
            if up:
                out = low.name()
                low.emit(f"{kind.c} {out};")
                low.check(
                    f"__builtin_add_overflow(({kind.c}){value}, ({kind.c})({unit} - 1), &{out})",
                    "overflow in align_up",
                    node,
                )
                value = out
            return f"(({kind.c})({value} & ({kind.c})~({kind.c})({unit} - 1)))"

        return Node("align", kind, emit, node, [first, second])

    return handle


# Log, panic


def pieces(checker: ExpressionChecker, node: ast.Call) -> list[tuple[str, Node | None, int]]:
    """A log format and its arguments as text, value and format number."""
    if not node.args:
        raise CompileError(node, "a format is needed")
    form = static_text(checker, node.args[0])
    values = [checker.expression(each) for each in node.args[1:]]
    found: list[tuple[str, Node | None, int]] = []
    used = 0
    try:
        parsed = list(string.Formatter().parse(form))
    except ValueError as error:
        raise CompileError(node, f"bad format: {error}") from None
    for text, name, spec, _ in parsed:
        if text:
            found.append((text, None, 0))
        if name is None:
            continue
        if name:
            raise CompileError(node, "a format takes `{}`, without names")
        if used >= len(values):
            raise CompileError(node, "the format has more places than there are arguments")
        letter = (spec or "")[-1:]
        letter = letter if letter in FORMATS else ""
        if spec and spec not in FORMATS and letter not in ("x", "d"):
            raise CompileError(node, f"unknown format {{:{spec}}}", "{}, {:d}, {:x} or {:c}")
        value = values[used]
        used += 1
        if value.type == UNTYPED:
            value = checker.coerce(value, IntType(64, True, "i64"))
        if isinstance(value.static, str):
            found.append((value.static, None, 0))
            continue
        allowed = (
            IntType, EnumType, SliceType, ArrayType, TableType, ErrnoType, UserPointerType,
            BigEndian,
        )  # fmt: skip
        if not isinstance(value.type, allowed) and value.type != BOOL:
            raise CompileError(value.syntax, f"{value.type} is not logged")
        number = FORMATS[letter]
        if number == 0 and isinstance(value.type, IntType) and value.type.signed:
            number = 1
        found.append(("", value, number))
    if used < len(values):
        raise CompileError(node, "the format has fewer places than there are arguments")
    return found


def write_log(low: Lowerer, parts: list[tuple[str, Node | None, int]], level: str) -> None:
    """Lower a log line: arguments first, then the output."""
    operands: list[str] = []
    for text, value, number in parts:
        if value is None:
            data = text.encode()
            operands.append(f"krait_log_text((const u8 *){c_string(data)}, {len(data)});")
        elif isinstance(value.type, SliceType | ArrayType | TableType):
            pointer, count = slices.parts(low, value)
            operands.append(f"krait_log_text({pointer}, {count});")
        else:
            operand = low.simple(low.value(value), value.type)
            if isinstance(value.type, IntType) and value.type.signed and number == 1:
                operand = f"(u64)(i64){operand}"
            operands.append(f"krait_log_number({operand}, {number});")
    low.emit(f"krait_log_open({level});")
    for each in operands:
        low.emit(each)
    low.emit("krait_log_close();")


def c_string(data: bytes) -> str:
    """A C string literal."""
    out = "".join(
        chr(each) if 32 <= each < 127 and each not in b'"\\?' else f"\\{each:03o}" for each in data
    )
    return f'"{out}"'


def log(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`log("read {} at {:x}", n, at)`."""
    found = pieces(checker, node)

    def emit(low: Lowerer) -> str:
        write_log(low, found, "6")
        return "0"

    return Node("log", NONE, emit, node, [value for _, value, _ in found if value])


def panic(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`panic("…", x)`."""
    found = pieces(checker, node)
    constant = all(value is None for _, value, _ in found)

    def emit(low: Lowerer) -> str:
        if constant:
            low.emit(low.site("panic: " + "".join(text for text, _, _ in found), node))
            return "0"
        write_log(low, found, "0")
        low.emit("krait_panic_stop();")
        return "0"

    return Node("panic", NEVER, emit, node, [value for _, value, _ in found if value])


def static_assert(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """Inside a function: a build-time check."""
    value = checker.condition(node.args[0])
    if value.is_constant and value.constant is False:
        raise CompileError(node, "this static assertion fails")

    def emit(low: Lowerer) -> str:
        low.emit(f'_Static_assert({low.value(value)}, "static_assert");')
        return "0"

    return Node("static assert", NONE, emit, node, [value])


# Layout


def size_of(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`size_of(T)`: a build-time constant."""
    kind = type_argument(checker, arguments_of(checker, node, 1)[0])
    return constant_node(checker.program.layouts.size(kind, node), UNTYPED, node)


def offset_of(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`offset_of(T, "field")`: a build-time constant."""
    first, second = arguments_of(checker, node, 2)
    kind = type_argument(checker, first)
    name = static_text(checker, second)
    if not isinstance(kind, RefType | TupleType) or name not in kind.cls.fields:
        raise CompileError(node, f"{kind} has no field {name}")
    return constant_node(checker.program.layouts.offset(kind.cls, name), UNTYPED, node)


def view(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`view(Header, packet, 14)`: checked once."""
    args = arguments_of(checker, node, 2, 3)
    kind = type_argument(checker, args[0])
    if not isinstance(kind, RefType) or kind.cls.kind != "packed":
        raise CompileError(node, f"{kind} is not a Packed structure")
    data = checker.coerce(checker.expression(args[1]), slices_u8())
    offset = (
        checker.index_value(checker.expression(args[2]))
        if len(args) > 2
        else constant_node(0, U64, node)
    )

    def emit(low: Lowerer) -> str:
        low.need("class", kind.cls)
        pointer, count = slices.base_parts(low, data)
        at = low.simple(low.value(offset), U64)
        size = f"sizeof(struct {kind.cls.c_name})"
        low.check(
            f"{count} < {size} || {at} > {count} - {size}",
            f"{kind.cls.display} outside of the slice",
            node,
        )
        return low.temp(kind.c, f"({kind.c})({pointer} + {at})")

    return Node(
        "view",
        kind,
        emit,
        node,
        [data, offset],
        unstable_base=data.unstable_base,
        loose_base=data.loose_base,
        escapes=data.escapes,
    )


def slices_u8() -> Type:
    """Slice[u8]."""
    from krait.compiler.types import TEXT

    return TEXT


def text(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`text(b"/dev")`."""
    value = checker.expression(arguments_of(checker, node, 1)[0])
    if isinstance(value.type, TableType):
        return slices.whole(value)
    raise CompileError(node, "text() takes a bytes literal", 'text(b"…")')


# Addresses


def at(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`at(T, address)`."""
    checker.need_unsafe(node, "at()")
    first, second = arguments_of(checker, node, 2)
    kind = type_argument(checker, first)
    address = checker.address_value(second)
    if not isinstance(kind, RefType):
        raise CompileError(node, f"{kind} is not an object", "use load() and store() for values")
    return Node(
        "at",
        kind,
        lambda low: f"(({low.need_type(kind)})(u64){low.value(address)})",
        node,
        [address],
    )


def slice_at(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`slice_at(T, address, length)`."""
    checker.need_unsafe(node, "slice_at()")
    first, second, third = arguments_of(checker, node, 3)
    element = type_argument(checker, first)
    kind = SliceType(element)
    address = checker.address_value(second)
    count = checker.coerce(checker.expression(third, U64), U64)

    def emit(low: Lowerer) -> str:
        start = low.value(address)
        low.need_type(kind)
        return f"({kind.c}){{ ({element_c(element)} *)(u64){start}, {low.value(count)} }}"

    return Node("slice at", kind, emit, node, [address, count])


def address_of(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`address_of(object)`."""
    checker.need_unsafe(node, "address_of()")
    value = checker.expression(arguments_of(checker, node, 1)[0])
    kind = value.type

    def emit(low: Lowerer) -> str:
        if isinstance(kind, SliceType | ArrayType | TableType | BufferType):
            return f"((u64){slices.parts(low, value)[0]})"
        if isinstance(kind, PerCpuType):
            return f"((u64)KRAIT_PERCPU_ADDRESS({low.value(value)}))"
        return f"((u64){low.value(value)})"

    allowed = (SliceType, ArrayType, TableType, BufferType, PerCpuType, RefType, AtomicType)
    if not isinstance(kind, allowed):
        if value.place is not None and not value.operation.startswith("local"):
            place = value.place
            return Node(
                "address of", U64, lambda low: f"((u64)&{place.address(low)})", node, [value]
            )
        raise CompileError(node, f"{kind} has no address")
    return Node("address of", U64, emit, node, [value])


def function_address(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`function_address(f)`."""
    checker.need_unsafe(node, "function_address()")
    value = checker.expression(arguments_of(checker, node, 1)[0])
    if isinstance(value.type, CallableType):
        return Node("address of", U64, lambda low: f"((u64){low.value(value)})", node, [value])
    if not callable(value.static):
        raise CompileError(node, "this is not a function")
    function = checker.program.function_of(value.static, node, {})
    checker.program.request(function)
    function.address_taken = True

    def emit(low: Lowerer) -> str:
        low.need("function", function)
        return f"((u64)&{function.c_name})"

    return Node("address of", U64, emit, node)


def reference(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`reference(T, address)`: borrowed, without a count."""
    return at(checker, node, expected)


def load(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`load(T, address)`."""
    checker.need_unsafe(node, "load()")
    first, second = arguments_of(checker, node, 2)
    kind = type_argument(checker, first)
    address = checker.address_value(second)
    return Node(
        "load",
        kind,
        lambda low: low.temp(low.need_type(kind), f"*({kind.c} *)(u64){low.value(address)}"),
        node,
        [address],
        stable=not kind.managed,
    )


def store(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`store(T, address, value)`."""
    checker.need_unsafe(node, "store()")
    first, second, third = arguments_of(checker, node, 3)
    kind = type_argument(checker, first)
    address = checker.address_value(second)
    value = checker.typed(third, kind)

    def emit(low: Lowerer) -> str:
        where = low.simple(low.value(address), U64)
        low.emit(f"*({low.need_type(kind)} *)(u64){where} = {low.value(value)};")
        return "0"

    return Node("store", NONE, emit, node, [address, value])


def symbol_address(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`symbol_address("name")`."""
    checker.need_unsafe(node, "symbol_address()")
    name = static_text(checker, arguments_of(checker, node, 1)[0])

    def emit(low: Lowerer) -> str:
        low.need("symbol", name)
        return f"((u64){name})"

    return Node("symbol", U64, emit, node)


# Assembly


def constants(checker: ExpressionChecker, node: ast.expr) -> tuple[str, ...]:
    """A tuple of strings."""
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(static_text(checker, each) for each in node.elts)
    value = checker.expression(node)
    if isinstance(value.static, tuple):
        return value.static
    raise CompileError(node, "this must be a tuple of strings")


def assembly(result: bool) -> Handler:
    """`asm` and `asm_do`."""

    def handle(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
        checker.need_unsafe(node, "inline assembly")
        code = static_text(checker, node.args[0])
        inputs = [checker.expression(each) for each in node.args[1:]]
        inputs = [
            constant_node(each.constant, U64, each.syntax) if each.type == UNTYPED else each
            for each in inputs
        ]
        kind: Type = NONE
        fixed: tuple[str, ...] = ()
        clobbers: tuple[str, ...] = ()
        for keyword in node.keywords:
            if keyword.arg == "out":
                kind = type_argument(checker, keyword.value)
            elif keyword.arg in ("fixed", "inputs"):
                fixed = constants(checker, keyword.value)
            elif keyword.arg == "clobbers":
                clobbers = constants(checker, keyword.value)
            else:
                raise CompileError(node, f"asm has no keyword {keyword.arg}")
        output = "r"
        if len(fixed) == len(inputs) + 1 and kind != NONE:
            output, fixed = fixed[0], fixed[1:]
        letters = list(fixed) + ["r"] * (len(inputs) - len(fixed))

        def emit(low: Lowerer) -> str:
            texts = [low.value(each) for each in inputs]
            ins = ", ".join(f'"{c}"({t})' for c, t in zip(letters, texts, strict=True))
            ends = ", ".join(f'"{each}"' for each in clobbers)
            literal = c_string(code.encode())
            if kind == NONE:
                low.emit(f"__asm__ volatile({literal} : : {ins} : {ends});")
                return "0"
            out = low.name()
            low.emit(f"{low.need_type(kind)} {out};")
            low.emit(f'__asm__ volatile({literal} : "={output}"({out}) : {ins} : {ends});')
            return out

        return Node("asm", kind, emit, node, inputs)

    return handle


def fence(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`fence(order)`."""
    from krait.compiler.methods import ORDERS

    order = 5
    if node.args:
        value = checker.expression(node.args[0])
        order = int(value.constant) if value.is_constant else 5
    name = {0: "RELAXED", 2: "ACQUIRE", 3: "RELEASE", 4: "ACQUIRE_RELEASE", 5: "SEQUENTIAL"}[order]

    def emit(low: Lowerer) -> str:
        low.emit(f"__atomic_thread_fence({ORDERS[name]});")
        return "0"

    return Node("fence", NONE, emit, node)


def weak(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`Weak(object)`."""
    value = checker.expression(arguments_of(checker, node, 1)[0])
    if not isinstance(value.type, RefType) or not value.type.cls.counted or value.type.optional:
        raise CompileError(node, "Weak() takes a Counted object")
    cls = value.type.cls
    if isinstance(expected, WeakType) and cls.is_subclass(expected.cls):
        cls = expected.cls
    checker.program.use_weak(cls)
    checker.note_raise(node)
    kind = WeakType(cls)

    def emit(low: Lowerer) -> str:
        from krait.compiler.objects import ENOMEM

        low.need("class", value.type.cls)  # type: ignore[attr-defined]
        text = low.simple(low.value(value), value.type)
        out = low.temp(kind.c, f"krait_weak_make({text}, &{text}->weak)")
        low.raise_when(f"{out} == 0", str(ENOMEM))
        return out

    return Node("weak", kind, emit, node, [value], owned=True)


def reference_count(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`reference_count(object)`: how many references there are now."""
    value = checker.expression(arguments_of(checker, node, 1)[0])
    if not value.type.managed or isinstance(value.type, TupleType | WeakType):
        raise CompileError(node, f"{value.type} is not counted")
    return Node(
        "reference count",
        U64,
        lambda low: f"((u64)*(u32 *)(void *){low.value(value)})",
        node,
        [value],
    )


def cast_bool(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`bool(x)` of a bool."""
    return checker.condition(arguments_of(checker, node, 1)[0])


def refused(message: str, remedy: str) -> Handler:
    """A built-in that kernel Python does not have."""

    def handle(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
        raise CompileError(node, message, remedy)

    return handle


INTRINSICS: dict[str, Handler] = {
    "len": length,
    "min": extreme("<", "min"),
    "max": extreme(">", "max"),
    "abs": absolute,
    "isinstance": is_instance,
    "bool": cast_bool,
    "count_leading_zeros": count_bits("({x} == 0 ? {bits} : __builtin_clzll({x}) - (64 - {bits}))"),
    "count_trailing_zeros": count_bits("({x} == 0 ? {bits} : __builtin_ctzll({x}))"),
    "popcount": count_bits("__builtin_popcountll({x})"),
    "byteswap": byteswap,
    "align_up": align(True),
    "align_down": align(False),
    "log": log,
    "panic": panic,
    "static_assert": static_assert,
    "size_of": size_of,
    "offset_of": offset_of,
    "view": view,
    "text": text,
    "at": at,
    "slice_at": slice_at,
    "address_of": address_of,
    "function_address": function_address,
    "reference": reference,
    "load": load,
    "store": store,
    "symbol_address": symbol_address,
    "asm": assembly(True),
    "asm_do": assembly(False),
    "fence": fence,
    "reference_count": reference_count,
    "Weak": weak,
    "getattr": refused("getattr() is refused", "name the field"),
    "setattr": refused("setattr() is refused", "name the field"),
    "hasattr": refused("hasattr() is refused", "use isinstance() or a virtual method"),
    "print": refused("print() is refused", 'log("…")'),
    "range": refused("range() stands only in a for loop", "for i in range(n)"),
    "enumerate": refused("enumerate() stands only in a for loop", "for i, x in enumerate(s)"),
    "reversed": refused("reversed() stands only in a for loop", "for i in reversed(range(n))"),
    "super": refused("super() is used as super().method(…)", ""),
    "divmod": refused("divmod() is refused", "use // and %"),
    "pow": refused("pow() is refused", "use * or a shift"),
    "sum": refused("sum() is refused", "write a loop"),
    "sorted": refused("sorted() is refused at run time", ""),
    "inline": refused("inline() stands only in a declaration", "name: Array[T] = inline(n)"),
}
