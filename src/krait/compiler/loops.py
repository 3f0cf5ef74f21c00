"""Checking loops.

A `for` over a range or a slice has neither a counter check nor a bounds check: the C loop's own
condition proves both. The Python variable is assigned at the top of each iteration, so the body may
change it without changing the course of the loop.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.compiler import slices
from krait.compiler.calls import CallChecker
from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import common_type, constant_node, literal
from krait.compiler.nodes import Node, Statement, marks_inside
from krait.compiler.scope import assigned_names, meet
from krait.compiler.types import (
    U64,
    UNTYPED,
    ArrayType,
    IntType,
    RefType,
    Type,
    element_c,
    embedded_element,
    unlisted,
)

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer


class LoopChecker(CallChecker):
    """The part of the function checker that types loops."""

    def while_loop(self, node: ast.While) -> Statement:
        """`while condition:`."""
        return self.settled(node.body, lambda: self._while(node), node.test)

    def settled(
        self, body: list[ast.stmt], check: Callable[[], Statement], *extra: ast.AST
    ) -> Statement:
        """Check a loop with the narrowing that holds at its start and after each iteration.

        First everything known before the loop is assumed; what an iteration does not keep is
        dropped and the loop is checked again.
        """
        start = dict(self.narrowing or {})
        changed = assigned_names([*body, *extra])
        assumed = dict(start)
        while True:
            saved = self.snapshot()
            self.narrowing = dict(assumed)
            statement = check()
            lost = {
                name
                for name in assumed
                if name in changed
                and any(each.get(name) != assumed[name] for each in self.last_loop.again)
            }
            if not lost:
                return statement
            self.restore(saved)
            assumed = {name: kind for name, kind in assumed.items() if name not in lost}

    def _while(self, node: ast.While) -> Statement:
        test = self.condition(node.test)
        if test.is_constant and test.constant is False:
            self.narrowing = dict(self.narrowing or {})
            orelse = self.block(node.orelse)
            return Statement("block", lambda low: low.block(orelse), node, [], [orelse])
        start = dict(self.narrowing or {})
        state = self.new_loop()
        self.narrowing = {**start, **test.when_true}
        body = self.loop_body(node.body)
        endless = test.is_constant
        self.narrowing = None if endless else {**start, **test.when_false}
        orelse = self.block(node.orelse)
        for each in state.breaks:
            self.narrowing = (
                meet(self.narrowing, each) if self.narrowing is not None else dict(each)
            )

        def emit(low: Lowerer) -> None:
            def head() -> None:
                if endless:
                    return
                text = low.value(test)
                if low.pending:
                    text = low.temp("bool", text)
                    low.flush()
                low.emit(f"if (!{text}) break;")

            loop(low, "for (;;) {", head, body, orelse)

        return Statement("while", emit, node, [test], [body, orelse])

    def loop_body(self, body: list[ast.stmt]) -> list[Statement]:
        """Check a body; remember what holds when it starts again."""
        state = self.loops[-1]
        found = self.block(body)
        if self.narrowing is not None:
            state.again.append(dict(self.narrowing))
        self.loops.pop()
        self.last_loop = state
        return found

    def loop_jump(self, node: ast.Break | ast.Continue) -> Statement:
        """`break` and `continue`."""
        if not self.loops:
            raise CompileError(node, "outside of a loop")
        which = "break" if isinstance(node, ast.Break) else "continue"
        if self.in_cleanup and self.loops[-1] in self.outer_loops:
            raise CompileError(node, f"{which} leaves a `finally`")
        kept = self.loops[-1].breaks if which == "break" else self.loops[-1].again
        kept.append(dict(self.narrowing or {}))
        self.narrowing = None
        return Statement(which, lambda low: low.jump(which), node)

    def for_loop(self, node: ast.For) -> Statement:
        """`for x in …`."""
        return self.settled([node], lambda: self._for(node))

    def _for(self, node: ast.For) -> Statement:
        iterated = node.iter
        if isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Name):
            name = iterated.func.id
            if name == "range":
                return self._range(node, iterated, backwards=False)
            if name == "reversed" and len(iterated.args) == 1:
                inner = iterated.args[0]
                if (
                    isinstance(inner, ast.Call)
                    and isinstance(inner.func, ast.Name)
                    and inner.func.id == "range"
                ):
                    return self._range(node, inner, backwards=True)
                return self._elements(node, inner, counted=False, backwards=True)
            if name == "enumerate" and len(iterated.args) == 1:
                return self._elements(node, iterated.args[0], counted=True)
        return self._elements(node, iterated, counted=False)

    def _body(self, node: ast.For) -> tuple[list[Statement], list[Statement]]:
        state = self.new_loop()
        start = dict(self.narrowing or {})
        body = self.loop_body(node.body)
        ends = [start, *state.again]
        self.narrowing = {n: t for n, t in start.items() if all(each.get(n) == t for each in ends)}
        orelse = self.block(node.orelse)
        for each in state.breaks:
            self.narrowing = (
                meet(self.narrowing, each) if self.narrowing is not None else dict(each)
            )
        return body, orelse

    def _range(self, node: ast.For, call: ast.Call, backwards: bool) -> Statement:
        if not isinstance(node.target, ast.Name) or not 1 <= len(call.args) <= 3 or call.keywords:
            raise CompileError(node, "range() takes one to three arguments and gives one name")
        values = [self.expression(each) for each in call.args]
        step = 1
        if len(values) == 3:
            if not values[2].is_constant or values[2].constant == 0:
                raise CompileError(call, "the step of a range is a constant other than 0")
            step = int(values[2].constant)
        start, stop = (values[0], values[1]) if len(values) > 1 else (None, values[0])
        kind = self._range_type(call, start, stop, node.target)
        stop = self.coerce(stop, kind)
        start = self.coerce(start, kind) if start else constant_node(0, kind, call)
        slot = Node("range", kind, lambda _: counter[0], node.target)
        counter = [""]
        assign = self.assign_local(node.target, slot)
        body, orelse = self._body(node)
        assert isinstance(kind, IntType)
        operands = start, stop

        def emit(low: Lowerer) -> None:
            first = low.temp(kind.c, low.value(operands[0]))
            last = low.temp(kind.c, low.value(operands[1]))
            low.flush()
            at = low.name()
            counter[0] = at
            head = range_head(low, kind, at, first, last, step, backwards)

            def set_variable() -> None:
                counter[0] = at
                assign(low)

            loop(low, head.opening, set_variable, body, orelse, head.advance)

        return Statement("for range", emit, node, [start, stop], [body, orelse])

    def _range_type(self, node: ast.AST, start: Node | None, stop: Node, target: ast.Name) -> Type:
        kind = common_type(node, start, stop, "range()") if start is not None else stop.type
        if kind == UNTYPED:
            local = self.function.locals.get(target.id)
            kind = local.type if local is not None else U64
        if not isinstance(kind, IntType):
            raise CompileError(node, f"range() of {kind}")
        return kind

    def _elements(
        self, node: ast.For, iterated: ast.expr, counted: bool, backwards: bool = False
    ) -> Statement:
        owner = (
            self._row(iterated) if isinstance(iterated, ast.Tuple) else self.expression(iterated)
        )
        element = slices.element_of(owner.type)
        if element is None:
            raise CompileError(
                iterated, f"{owner.type} is not iterated", "slices, arrays and ranges are"
            )
        targets = [node.target]
        if counted:
            if not isinstance(node.target, ast.Tuple) or len(node.target.elts) != 2:
                raise CompileError(node, "enumerate() gives two names")
            targets = list(node.target.elts)
        pointer, counter = [""], [""]
        keep = self._keep_iterated(owner)
        by_address = embedded_element(element)

        def item(low: Lowerer) -> str:
            where = f"{pointer[0]}[{counter[0]}]"
            return f"(&{where})" if by_address else low.temp(low.need_type(element), where)

        assigns: list[Callable[[Lowerer], None]] = []
        kinds = [
            Node(
                "element",
                unlisted(element),
                item,
                node,
                escapes=marks_inside(owner),
                stable=not element.managed,
            )
        ]
        if counted:
            kinds.insert(0, Node("index", U64, lambda _: counter[0], node))
        for target, value in zip(targets, kinds, strict=True):
            if not isinstance(target, ast.Name):
                raise CompileError(target, "a loop gives its values to names")
            assigns.append(self.assign_local(target, value))
        body, orelse = self._body(node)

        def emit(low: Lowerer) -> None:
            if by_address and isinstance(element, RefType):
                low.need("class", element.cls)
            data, length = keep(low)
            low.flush()
            first = low.temp(f"{element_c(element)} *", f"({element_c(element)} *){data}")
            last = low.temp("u64", length)
            at = low.name()
            if backwards:
                opening = f"for (u64 {at} = {last}; {at}-- > 0; ) {{"
            else:
                opening = f"for (u64 {at} = 0; {at} < {last}; {at}++) {{"

            def set_variables() -> None:
                pointer[0], counter[0] = first, at
                for assign in assigns:
                    assign(low)

            loop(low, opening, set_variables, body, orelse)

        return Statement("for", emit, node, [owner], [body, orelse])

    def _row(self, node: ast.Tuple) -> Node:
        """`for x in (a, b, c)`: the values in a row, evaluated first."""
        values = [self.expression(each) for each in node.elts]
        if not values:
            raise CompileError(node, "an empty tuple is not iterated")
        first = values[0]
        kind = first.type
        for each in values[1:]:
            kind = common_type(node, Node("", kind, first.emit, node), each, "a tuple")
        if kind == UNTYPED:
            kind = U64
        if kind.managed or isinstance(kind, RefType):
            raise CompileError(
                node, "a tuple of references is not iterated", "write a function and call it"
            )
        elements = [self.coerce(each, kind) for each in values]

        def emit(low: Lowerer) -> str:
            texts = [low.value(each) for each in elements]
            name = low.name()
            low.emit(f"{low.need_type(kind)} {name}[] = {{ {', '.join(texts)} }};")
            return name

        return Node("row", ArrayType(kind, len(values)), emit, node, elements)

    def _keep_iterated(self, owner: Node) -> Callable[[Lowerer], tuple[str, str]]:
        """Evaluate what is iterated, keeping it alive during the loop."""
        needs = (
            owner.unstable_base
            or owner.loose_base
            or (owner.type.managed and (owner.owned or not owner.stable))
        )
        hidden = self.hidden_owner(owner) if needs else None

        def emit(low: Lowerer) -> tuple[str, str]:
            if hidden is None:
                return slices.parts(low, owner)
            low.need_type(hidden.type)
            low.holding = hidden.c_name
            found = slices.base_parts(low, owner)
            low.holding = ""
            return found

        return emit


class RangeHead:
    """The C of a counting loop."""

    def __init__(self, opening: str, advance: str) -> None:
        self.opening = opening
        self.advance = advance


def range_head(
    low: Lowerer, kind: IntType, at: str, first: str, last: str, step: int, backwards: bool
) -> RangeHead:
    """A loop over a range that cannot overflow."""
    wide = "u64" if kind.bits == 64 else "u32"
    if backwards:
        if step != 1:
            # The last element of the forward range, counted down from there.
            size = abs(step)
            span = (
                f"({wide}){last} - ({wide}){first}"
                if step > 0
                else f"({wide}){first} - ({wide}){last}"
            )
            inside = f"{first} < {last}" if step > 0 else f"{first} > {last}"
            count = low.temp("u64", f"{inside} ? ((u64)({wide})({span}) + {size - 1}) / {size} : 0")
            n = low.name()
            sign = "+" if step > 0 else "-"
            return RangeHead(
                f"for (u64 {n} = {count}; {n}-- > 0; ) {{ "
                f"{kind.c} {at} = ({kind.c})(({wide}){first} {sign} ({wide})({n} * {size}));",
                "",
            )
        return RangeHead(f"for ({kind.c} {at} = {last}; {at} > {first}; ) {{ {at}--;", "")
    if step == 1:
        return RangeHead(f"for ({kind.c} {at} = {first}; {at} < {last}; {at}++) {{", "")
    if step == -1:
        return RangeHead(f"for ({kind.c} {at} = {first}; {at} > {last}; {at}--) {{", "")
    size = abs(step)
    if step > 0:
        return RangeHead(
            f"if ({first} < {last}) for ({kind.c} {at} = {first}; ; ) {{",
            f"if (({wide}){last} - ({wide}){at} <= {literal(size, U64)}) break; {at} += {size};",
        )
    return RangeHead(
        f"if ({first} > {last}) for ({kind.c} {at} = {first}; ; ) {{",
        f"if (({wide}){at} - ({wide}){last} <= {literal(size, U64)}) break; {at} -= {size};",
    )


def loop(
    low: Lowerer,
    opening: str,
    head: Callable[[], None],
    body: list[Statement],
    orelse: list[Statement],
    advance: str = "",
) -> None:
    """Lower a loop with its jump targets and its else."""
    from krait.compiler.lowering import Scope

    end, again = low.label("broken"), low.label("again")
    low.emit(opening)
    head()
    low.scopes.append(Scope("loop", break_label=end, continue_label=again))
    low.block(body)
    low.scopes.pop()
    low.place_label(again)
    if advance:
        low.emit(advance)
    low.emit("}")
    low.block(orelse)
    low.place_label(end)
