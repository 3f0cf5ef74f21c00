"""One function to be compiled: a definition under one binding of type variables."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from krait.compiler.types import CallableType, Type

if TYPE_CHECKING:
    from krait.compiler.classes import ClassInfo
    from krait.compiler.modules import SourceModule
    from krait.compiler.nodes import Statement


@dataclass
class Parameter:
    """A parameter of a function."""

    name: str
    type: Type
    default: ast.expr | None
    node: ast.AST


@dataclass
class Local:
    """A local variable."""

    name: str
    type: Type
    c_name: str
    parameter: bool = False
    owned: bool = False
    """The variable holds a count (all managed locals do; parameters only once reassigned)."""


@dataclass(frozen=True)
class VirtualCall:
    """A call through a vtable: any override below the class may run."""

    cls: ClassInfo
    name: str


@dataclass(frozen=True)
class IndirectCall:
    """A call through a function reference of this signature."""

    signature: CallableType


@dataclass
class CallSite:
    """A call in a function body and whether an error of it leaves the function."""

    target: Function | VirtualCall | IndirectCall
    caught: bool
    node: ast.AST
    in_cleanup: bool = False


@dataclass(eq=False)
class Function:
    """A function instance; `body` is filled by the checker."""

    module: SourceModule
    qualname: str
    node: ast.FunctionDef
    owner: ClassInfo | None
    bindings: dict[str, Type]
    c_name: str
    parameters: list[Parameter]
    result: Type
    is_method: bool = False
    exported: bool = False
    entry: bool = False
    """Asked for by name: stays callable from other C."""
    external: bool = False
    symbol: str | None = None
    """The assembler's name of an exported function, whatever prototype the prelude has for it."""
    decorators: set[str] = field(default_factory=set)
    section: str | None = None
    body: list[Statement] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    """Locals that keep alive what another local points into."""
    locals: dict[str, Local] = field(default_factory=dict)
    calls: list[CallSite] = field(default_factory=list)
    raises_itself: bool = False
    raises: bool = False
    """An error can leave this function."""
    returns_error: bool = False
    """The C function returns an error word (also when only a fellow override raises)."""
    releases_itself: bool = False
    """It stores a counted reference over another, or drops an object that it was given."""
    may_release: bool = True
    """A call of it may end an object that somebody else keeps in a field."""
    unsafe_uses: int = 0
    address_taken: bool = False
    checked: bool = False
    falls_through: bool = False
    raise_sites: list[ast.AST] = field(default_factory=list)
    cleanup_raises: list[ast.AST] = field(default_factory=list)
    leaks: list[tuple[frozenset[str], ast.AST, bool]] = field(default_factory=list)
    """Borrowed values that this function stores: their marks (`escapes.py`), and whether the code
    tests that they lie in what their field borrows from."""
    returned: list[tuple[frozenset[str], ast.AST]] = field(default_factory=list)
    """Borrowed values that it returns."""
    passes: list[
        tuple[Function | VirtualCall | IndirectCall, int, frozenset[str], ast.AST, str]
    ] = field(default_factory=list)
    """Borrowed values that it passes on: the parameter's index, marks, and the call's mark."""
    escape_map: dict[str, frozenset[str]] = field(default_factory=dict)
    """What each local may point into."""
    stack_objects: list[tuple[str, ClassInfo]] = field(default_factory=list)
    stack_arrays: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def display(self) -> str:
        """The name in messages."""
        return self.qualname

    @property
    def place(self) -> str:
        """Module and name, unique."""
        return f"{self.module.name}:{self.qualname}"
