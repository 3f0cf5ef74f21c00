"""Objects in expressions: fields, construction, identity, named tuples."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from krait.compiler.classes import ClassInfo, Field
from krait.compiler.diagnostics import CompileError
from krait.compiler.function_state import FunctionState, borrows
from krait.compiler.nodes import NO_CONSTANT, Node, Place, marks_inside, within
from krait.compiler.scope import RESERVED
from krait.compiler.types import (
    BOOL,
    NONE,
    STATIC,
    ArrayType,
    AtomicType,
    BufferType,
    CallableType,
    EnumType,
    OwnedType,
    RefType,
    TupleType,
    Type,
    VolatileType,
    embedded_element,
    is_optional,
    present,
)

if TYPE_CHECKING:
    from krait.compiler.comparisons import ComparisonChecker
    from krait.compiler.expressions import ExpressionChecker
    from krait.compiler.lowering import Lowerer

ENOMEM = 12  # Linux include/uapi/asm-generic/errno-base.h
KEEP_IN_LOCAL = "keep its object in a local first, which is assigned once"


@dataclass(frozen=True)
class StaticMember:
    """`u8.truncate`, `Weak.empty`: a function of the language reached through a type."""

    owner: Any
    name: str


@dataclass(frozen=True)
class BoundMethod:
    """`x.name` before it is called."""

    owner: Node
    name: str


def c_field(name: str) -> str:
    """The C name of a field; Python names that C or the prelude reserves get an underscore."""
    return f"{name}_" if name in RESERVED or name in ("count", "vtable", "weak") else name


def bound(node: ast.AST, owner: Node, name: str) -> Node:
    """A method waiting for its call."""
    return Node("method", STATIC, lambda _: "0", node, [owner], static=BoundMethod(owner, name))


def field(checker: ExpressionChecker, node: ast.Attribute, owner: Node, name: str) -> Node:
    """`owner.name` where owner is a reference."""
    assert isinstance(owner.type, RefType)
    cls = owner.type.cls
    found = cls.fields.get(name)
    if found is not None:
        return field_node(checker, node, owner, found)
    method = cls.find_method(name)
    if method is not None:
        decorators = {ast.unparse(each).split(".")[-1] for each in method[1].decorator_list}
        if "property" in decorators or "cached_property" in decorators:
            return checker.method_call(node, owner, name, [], [])
        return bound(node, owner, name)
    if hasattr(cls.cls, name):
        declared = checker.program.declared_types.of_class_constant(cls.cls, name)
        return checker.build_value(getattr(cls.cls, name), node, declared)
    raise CompileError(node, f"{cls.display} has no field or method {name}")


def field_node(checker: ExpressionChecker, node: ast.AST, owner: Node, found: Field) -> Node:
    """A field of an object, as a value and a place."""
    assert isinstance(owner.type, RefType)
    kind, name = found.type, c_field(found.name)
    cls = owner.type.cls
    inside = {
        "unstable_base": owner.unstable_base
        or (owner.type.managed and (owner.owned or not owner.stable)),
        "loose_base": owner.loose_base,
        "escapes": marks_inside(owner),
    }

    def access(low: Lowerer) -> str:
        low.need("class", cls)
        return f"{low.value(owner)}->{name}"

    def inner(low: Lowerer) -> str:
        low.need("class", cls)
        return f"{low.base(owner)}->{name}"

    title = f"field {found.name}"
    if found.how == "embedded" and isinstance(kind, RefType):
        return Node(title, kind, lambda low: f"(&{inner(low)})", node, [owner], **inside)  # type: ignore[arg-type]
    if found.how == "array":
        return Node(title, kind, lambda low: f"({inner(low)})", node, [owner], **inside)  # type: ignore[arg-type]
    if found.how == "atomic":
        return Node(title, kind, lambda low: f"(&{inner(low)})", node, [owner])
    if found.how == "volatile":
        assert isinstance(kind, VolatileType)
        c = kind.element.c

        def register(low: Lowerer) -> str:
            return f"((volatile {c} *)((u8 *){low.value(owner)} + {found.offset}))"

        return Node(title, kind, register, node, [owner])
    place = Place(access, kind, unaligned=cls.kind == "packed", field=found)
    keeper = cls.keeper(found)
    if keeper is not None and keeper.how != "array":
        return borrowed_field(checker, node, owner, found, keeper, place)
    if keeper is not None:
        return Node(
            title,
            kind,
            lambda low: low.temp(low.need_type(kind), inner(low)),
            node,
            [owner],
            place=place,
            **inside,  # type: ignore[arg-type]
        )
    return Node(
        title,
        kind,
        lambda low: low.temp(low.need_type(kind), access(low)),
        node,
        [owner],
        stable=not kind.managed,
        place=place,
        escapes=within(owner.escapes) if borrows(kind) else frozenset(),
    )


def borrowed_field(
    checker: ExpressionChecker,
    node: ast.AST,
    owner: Node,
    found: Field,
    keeper: Field,
    place: Place,
) -> Node:
    """A slice field that points into a buffer, which is kept while the slice is used."""
    assert isinstance(owner.type, RefType)
    cls = owner.type.cls
    held = field_node(checker, node, owner, keeper)

    def emit(low: Lowerer) -> str:
        low.need("class", cls)
        this = low.simple(low.value(owner), owner.type)
        if low.holding:
            text = f"{this}->{c_field(keeper.name)}"
            low.base(Node(held.operation, held.type, lambda _: text, node, stable=False))
        return low.temp(low.need_type(found.type), f"{this}->{c_field(found.name)}")

    title = f"field {found.name}"
    return Node(
        title,
        found.type,
        emit,
        node,
        [held],
        unstable_base=True,
        place=place,
        escapes=marks_inside(held),
    )


def tuple_field(checker: FunctionState, node: ast.Attribute, owner: Node, name: str) -> Node:
    """`owner.name` where owner is a named tuple."""
    assert isinstance(owner.type, TupleType)
    cls = owner.type.cls
    found = cls.fields.get(name)
    if found is None:
        if cls.find_method(name) is not None:
            decorators = {
                ast.unparse(each)
                for each in cls.find_method(name)[1].decorator_list  # type: ignore[index]
            }
            if "property" in decorators:
                return checker.method_call(node, owner, name, [], [])
            return bound(node, owner, name)
        if hasattr(cls.cls, name) and not callable(getattr(cls.cls, name)):
            declared = checker.program.declared_types.of_class_constant(cls.cls, name)
            return checker.build_value(getattr(cls.cls, name), node, declared)
        raise CompileError(node, f"{cls.display} has no field {name}")
    kind = found.type

    def emit(low: Lowerer) -> str:
        low.need_type(owner.type)
        return f"{low.value(owner)}.{c_field(name)}"

    return Node(
        f"field {name}",
        kind,
        emit,
        node,
        [owner],
        stable=owner.stable or owner.owned,
        escapes=owner.escapes,
    )


def identity(
    checker: ComparisonChecker, node: ast.Compare, same: bool, left: Node, right: Node
) -> Node:
    """`a is b` and `a is not b`."""
    symbol = "==" if same else "!="
    if left.is_static or right.is_static:
        raise CompileError(node, "identity of build-time values is not compared at run time")
    if left.type == NONE and right.type != NONE:
        left, right = right, left
    if right.type == NONE:
        return none_test(node, same, left)
    if isinstance(left.type, EnumType) or left.type == BOOL:
        return checker._compare_pair(node, ast.Eq() if same else ast.NotEq(), left, right)
    if not isinstance(left.type, RefType | OwnedType | BufferType | CallableType):
        raise CompileError(node, f"{left.type} has no identity", "compare with `==`")

    def emit(low: Lowerer) -> str:
        a = low.value(left)
        return f"((void *){a} {symbol} (void *){low.value(right)})"

    if type(left.type) is not type(right.type):
        raise CompileError(node, f"{left.type} and {right.type} are never the same object")
    return Node("is", BOOL, emit, node, [left, right])


def none_test(node: ast.Compare, same: bool, value: Node) -> Node:
    """`x is None`: also narrows a local."""
    if value.is_constant and value.constant is None:
        constant: Any = same
    else:
        constant = NO_CONSTANT
    if (
        not isinstance(value.type, RefType | OwnedType | BufferType | CallableType)
        and value.type != NONE
    ):
        raise CompileError(node, f"{value.type} is never None")
    facts: dict[str, Type] = {}
    if value.operation.startswith("local ") and is_optional(value.type):
        facts = {value.operation.removeprefix("local "): present(value.type)}
    symbol = "==" if same else "!="
    return Node(
        "is None" if same else "is not None",
        BOOL,
        lambda low: f"({low.value(value)} {symbol} 0)",
        node,
        [value],
        constant=constant,
        when_true={} if same else facts,
        when_false=facts if same else {},
    )


def tuple_equality(
    checker: ComparisonChecker, node: ast.Compare, same: bool, left: Node, right: Node
) -> Node:
    """`a == b` on named tuples: field by field."""
    from krait.compiler.comparisons import Slot

    assert isinstance(left.type, TupleType)
    slots = Slot(left), Slot(right)
    result: Node | None = None
    for name in left.type.cls.fields:
        pair = [
            tuple_field(
                checker, ast.copy_location(ast.Attribute(node.left, name), node), s.node, name
            )
            for s in slots
        ]
        part = checker._compare_pair(node, ast.Eq(), pair[0], pair[1])
        result = part if result is None else checker._join_boolean(node, True, result, part)
    assert result is not None
    tests = result

    def emit(low: Lowerer) -> str:
        for slot in slots:
            slot.fill(low)
        text = low.value(tests)
        return text if same else f"(!{text})"

    return Node("equals", BOOL, emit, node, [left, right])


def construct(
    checker: ExpressionChecker,
    node: ast.Call,
    cls: ClassInfo,
) -> Node:
    """`Class(field=value, …)`."""
    values = construction_arguments(checker, node, cls, on_stack=not cls.counted)
    checker.program.instantiate(cls)
    if cls.kind == "namedtuple":
        return construct_tuple(checker, node, cls, values)
    for each in cls.family()[0:1]:
        missing = each.abstract_methods
        if missing:
            raise CompileError(node, f"{cls.display} is abstract: {missing[0]} has no body")
    if cls.counted:
        return construct_counted(checker, node, cls, values)
    return construct_on_stack(checker, node, cls, values)


def construction_arguments(
    checker: ExpressionChecker, node: ast.Call, cls: ClassInfo, *, on_stack: bool
) -> dict[str, Node]:
    """Match arguments with fields of an object that ends with the function, or may stay."""
    names = list(cls.fields)
    pairs: list[tuple[str, ast.expr]] = []
    if node.args and cls.kind != "namedtuple":
        raise CompileError(
            node, f"{cls.display} is constructed by keyword", f"{names[0] if names else ''}=…"
        )
    if len(node.args) > len(names):
        raise CompileError(node, f"{cls.display} has {len(names)} fields")
    pairs += list(zip(names, node.args, strict=False))
    for keyword in node.keywords:
        if keyword.arg is None:
            raise CompileError(node, "**arguments are refused")
        if keyword.arg not in cls.fields:
            raise CompileError(keyword.value, f"{cls.display} has no field {keyword.arg}")
        pairs.append((keyword.arg, keyword.value))
    given: dict[str, Node] = {}
    for name, expression in pairs:
        found = cls.fields[name]
        if found.how != "plain" and (found.how != "borrowed" or cls.keeper(found) is not None):
            raise CompileError(expression, f"{name} is embedded and made with its owner")
        given[name] = checker.typed(expression, found.type, f"field {name}")
        if cls.kind != "namedtuple":
            checker.check_text(found, given[name])
            checker.note_store(expression, found.type, given[name], on_stack=on_stack)
    missing = [
        each.name for each in cls.fields.values() if each.required and each.name not in given
    ]
    if missing:
        raise CompileError(
            node, f"{cls.display} needs {', '.join(missing)}", f"{missing[0]}=… in the construction"
        )
    return given


def construct_tuple(
    checker: FunctionState, node: ast.Call, cls: ClassInfo, values: dict[str, Node]
) -> Node:
    """A NamedTuple by value."""
    kind = TupleType(cls)
    managed = kind.managed
    for value in values.values():
        checker.refuse_unkept(value, f"part of a {cls.display}", KEEP_IN_LOCAL)

    def emit(low: Lowerer) -> str:
        low.need_type(kind)
        texts: dict[str, str] = {}
        for name, value in values.items():
            text = low.take(value) if value.type.managed else low.value(value)
            if value.type.managed and not value.is_constant:
                low.pend(text, value.type)
            texts[name] = text
        for name, found in cls.fields.items():
            if name not in texts and found.default is not None:
                texts[name] = low.program.values.operand(
                    low, cls.constant(found.default), found.type, found.default
                )
        inner = ", ".join(f".{c_field(n)} = {t}" for n, t in texts.items())
        out = low.temp(kind.c, f"{{ {inner} }}")
        for text in texts.values():
            low.forget(text)
        return out

    borrowed = [value for value in values.values() if borrows(value.type)]
    escapes = frozenset(each for value in borrowed for each in value.escapes)
    return Node(
        f"construct {cls.display}",
        kind,
        emit,
        node,
        list(values.values()),
        owned=managed,
        escapes=escapes,
    )


def construct_counted(
    checker: ExpressionChecker, node: ast.Call, cls: ClassInfo, values: dict[str, Node]
) -> Node:
    """A counted object from the kernel heap; raises ENOMEM."""
    checker.note_raise(node)
    checker.note_owned(RefType(cls))
    kind = RefType(cls)

    def emit(low: Lowerer) -> str:
        low.need("class", cls)
        texts = taken(low, values)
        out = low.temp(kind.c, f"krait_allocate(sizeof(struct {cls.c_name}))")
        low.raise_when(f"{out} == 0", str(ENOMEM))
        for text in texts.values():
            low.forget(text)
        low.emit(f"{out}->count = 1;")
        initialize(low, out, cls, texts)
        return out

    return Node(f"construct {cls.display}", kind, emit, node, list(values.values()), owned=True)


def construct_owned(checker: ExpressionChecker, node: ast.Call, cls: ClassInfo, kind: Type) -> Node:
    """A Struct on the kernel heap, for its one owner; raises ENOMEM."""
    values = construction_arguments(checker, node, cls, on_stack=False)
    checker.program.instantiate(cls)
    checker.note_raise(node)
    checker.note_owned(kind)
    if kind != OwnedType(cls):
        raise CompileError(
            node, f"{cls.display} where {kind} is needed", "an owner knows the exact class"
        )

    def emit(low: Lowerer) -> str:
        low.need("class", cls)
        texts = taken(low, values)
        out = low.temp(kind.c, f"krait_allocate(sizeof(struct {cls.c_name}))")
        low.raise_when(f"{out} == 0", str(ENOMEM))
        for text in texts.values():
            low.forget(text)
        initialize(low, out, cls, texts)
        return out

    return Node(f"construct {kind}", kind, emit, node, list(values.values()), owned=True)


def construct_on_stack(
    checker: ExpressionChecker, node: ast.Call, cls: ClassInfo, values: dict[str, Node]
) -> Node:
    """A Struct that lives until the function returns."""
    from krait.compiler.references import has_managed_fields

    name = checker.new_stack_object(cls)
    for value in values.values():
        checker.refuse_unkept(value, f"in a field of a {cls.display}", KEEP_IN_LOCAL)
    borrowed = [value for value in values.values() if borrows(value.type)]
    marks = frozenset(each for value in borrowed for each in value.escapes)
    checker.note_places(f"within {name}", marks)

    def emit(low: Lowerer) -> str:
        low.need("class", cls)
        texts = taken(low, values)
        for text in texts.values():
            low.forget(text)
        if has_managed_fields(cls):
            low.need("drop_fields", cls)
            low.emit(f"drop_fields_{cls.c_name}(&{name});")
        low.emit(f"{name} = (struct {cls.c_name}){{0}};")
        initialize(low, f"(&{name})", cls, texts)
        return f"(&{name})"

    return Node(
        f"construct {cls.display}",
        RefType(cls),
        emit,
        node,
        list(values.values()),
        escapes=frozenset({name}),
    )


def taken(low: Lowerer, values: dict[str, Node]) -> dict[str, str]:
    """Evaluate field values in order; each is released if a later one raises."""
    texts: dict[str, str] = {}
    for name, value in values.items():
        text = low.take(value)
        if value.type.managed and not value.is_constant:
            low.pend(text, value.type)
        texts[name] = text
    return texts


def initialize(low: Lowerer, pointer: str, cls: ClassInfo, given: dict[str, str]) -> None:
    """Set up the fields of an object in zeroed memory."""
    if cls.polymorphic:
        low.need("vtable", cls)
        low.need("class", cls)
        low.emit(f"{pointer}->vtable = &vtable_{cls.c_name};")
    for found in cls.fields.values():
        target = f"{pointer}->{c_field(found.name)}"
        if found.name in given:
            low.emit(f"{target} = {given[found.name]};")
            continue
        kind = found.type
        if found.how == "embedded" and isinstance(kind, RefType):
            keywords = {
                each.arg: low.program.values.operand(
                    low,
                    found.owner.constant(each.value),
                    kind.cls.fields[each.arg].type,
                    each.value,
                )
                for each in found.keywords
                if each.arg
            }
            if needs_start(kind.cls) or keywords:
                low.need("class", kind.cls)
                initialize(low, f"(&{target})", kind.cls, keywords)
        elif found.how == "array" and isinstance(kind, ArrayType):
            element = kind.element
            if (
                embedded_element(element)
                and isinstance(element, RefType)
                and needs_start(element.cls)
            ):
                index = low.name()
                low.need("class", element.cls)
                low.emit(f"for (u64 {index} = 0; {index} < {kind.length}; {index}++) {{")
                initialize(low, f"(&{target}[{index}])", element.cls, {})
                low.emit("}")
        elif found.default is not None and found.how in ("plain", "atomic"):
            kind = kind.element if isinstance(kind, AtomicType) else kind
            value = found.owner.constant(found.default)
            if not is_zero(value):
                text = low.program.values.operand(low, value, kind, found.default)
                low.emit(f"{target} = {text};")


def is_zero(value: Any) -> bool:
    """Whether a default is what zeroed memory holds already."""
    if value is None or value is False:
        return True
    try:
        return isinstance(value, int) and int(value) == 0
    except TypeError:
        return False


def needs_start(cls: ClassInfo) -> bool:
    """Whether an embedded object needs more than zeroed memory."""
    if cls.polymorphic:
        return True
    for found in cls.fields.values():
        if found.default is not None and not is_zero(found.owner.constant(found.default)):
            return True
        kind = found.type
        if found.how == "embedded" and isinstance(kind, RefType):
            if found.keywords or needs_start(kind.cls):
                return True
        if found.how == "array" and isinstance(kind, ArrayType) and embedded_element(kind.element):
            assert isinstance(kind.element, RefType)
            if needs_start(kind.element.cls):
                return True
    return False
