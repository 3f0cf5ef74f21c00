"""Interpreted mode: kernel modules in CPython, with the conversions that annotations imply.

Annotations alone do nothing in CPython: a parameter declared `u32` would stay the plain 5 that a
test passes, and never overflow. `load("krait.kernel.fs.path")` imports a safe kernel module, and
what it imports of the kernel, through a hook that rewrites functions so that parameters, returns,
annotated locals and what is assigned to typed locals are converted, `range` counts in the width of
its bound, local arrays are made, and a failed `assert` is a panic. Fields convert what is stored in
them by themselves. The rewriting is idle while a module's body runs, for that is build-time Python.

The modules that it loads stand apart from those that a plain import gives, in a world of their own.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

from krait.kernel.lang import hints
from krait.kernel.lang.errors import Errno
from krait.kernel.lang.integers import Int, u64
from krait.kernel.lang.markers import Inline
from krait.kernel.lang.panics import Panic

KERNEL = "krait.kernel."
PLAIN = ("krait.kernel.lang", "krait.kernel.errno", "krait.kernel.config")  # the same in all worlds


class _World:
    """The interpreted modules and how deep we are in loading them."""

    def __init__(self) -> None:
        self.modules: dict[str, types.ModuleType] = {}
        self.loading = 0


_world = _World()


def load(name: str) -> Any:
    """Import a kernel module for interpretation and give it."""
    with _entered():
        return importlib.import_module(name)


def load_source(name: str, source: str) -> Any:
    """Interpret a module that a test holds as text."""
    module = types.ModuleType(name)
    with _entered():
        sys.modules[name] = module
        _run(module, source, f"<{name}>")
    sys.modules[name] = module  # classes find the names of their annotations there
    return module


@contextlib.contextmanager
def _entered() -> Iterator[None]:
    """Put the interpreted modules in place of the plain ones."""
    plain = {name: module for name, module in sys.modules.items() if _is_ours(name)}
    for name in plain:
        del sys.modules[name]
    sys.modules.update(_world.modules)
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if _is_ours(name)]:
            _world.modules[name] = sys.modules.pop(name)
        sys.modules.update(plain)


def _is_ours(name: str) -> bool:
    return name.startswith(KERNEL) and not name.startswith(PLAIN)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds kernel modules where Python would, and loads them rewritten."""

    def find_spec(
        self, fullname: str, path: Any = None, _target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer the import system."""
        if not _is_ours(fullname):
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path)
        if found is None or found.origin is None:
            return found
        return importlib.util.spec_from_file_location(
            fullname,
            found.origin,
            loader=_Loader(fullname, found.origin),
            submodule_search_locations=found.submodule_search_locations,
        )


class _Loader(importlib.machinery.SourceFileLoader):
    """Runs a module's rewritten source."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Answer the import system."""
        _run(module, self.get_data(self.path).decode(), self.path)


def _run(module: types.ModuleType, source: str, path: str) -> None:
    """Rewrite and run a module's source."""
    tree = ast.fix_missing_locations(_Rewriter().visit(ast.parse(source, path)))
    names = vars(module)
    names.update(
        __krait_convert__=_converter(names),
        __krait_keep__=_keep,
        __krait_range__=_range,
        __krait_tuple__=_tuple_class(names),
        __krait_fail__=_fail,
        __krait_errno__=Errno,
        __krait_unwind__=_release_frames,
    )
    _world.loading += 1
    try:
        exec(compile(tree, path, "exec"), names)
    finally:
        _world.loading -= 1
    _convert_tables(names)


def _converter(names: dict[str, Any]) -> Callable[[str, Any], Any]:
    """Make the function that gives a value the type of an annotation in this module."""

    def convert(annotation: str, value: Any) -> Any:
        if _world.loading:
            return value
        if isinstance(value, Inline):
            return hints.embed(hints.resolve(annotation, names), value.arguments, value.keywords)
        if not isinstance(value, int) or isinstance(value, bool):
            return value
        return hints.convert(hints.resolve(annotation, names), value)

    return convert


def _keep(old: Any, value: Any) -> Any:
    """Give a plain integer the width that the local had before."""
    if type(value) is int and isinstance(old, Int):
        return type(old)(value)
    return value


def _range(*bounds: int) -> Any:
    """Count in the width of the bounds; plain bounds count in `usize`."""
    if _world.loading:
        return range(*bounds)
    kinds = {type(bound) for bound in bounds if isinstance(bound, Int)}
    if len(kinds) > 1:
        raise TypeError("the bounds of a range have different widths")
    kind = kinds.pop() if kinds else u64
    for bound in bounds[:2]:
        kind(bound)
    return _Range(kind, range(*map(int, bounds)))


class _Range:
    """A range that gives numbers of a width."""

    def __init__(self, kind: type[Int], plain: range) -> None:
        self.kind = kind
        self.plain = plain

    def __iter__(self) -> Iterator[Int]:
        return map(self.kind, self.plain)

    def __reversed__(self) -> Iterator[Int]:
        return map(self.kind, reversed(self.plain))

    def __len__(self) -> int:
        return len(self.plain)


def _tuple_class(names: dict[str, Any]) -> Callable[[Any], Any]:
    """Make the decorator that lets a NamedTuple convert its fields."""

    def decorate(cls: Any) -> Any:
        plain_new = cls.__new__
        cls.__krait_names__ = names

        def new(kind: Any, *values: Any, **named: Any) -> Any:
            made = plain_new(kind, *values, **named)
            if _world.loading:
                return made
            return plain_new(kind, *map(hints.convert, hints.tuple_kinds(cls), made))

        cls.__new__ = new
        return cls

    return decorate


def _release_frames() -> None:
    """Let go of the locals of functions that an error has left, innermost first.

    CPython keeps them for the traceback until the error is handled; compiled code does not.
    """
    error = sys.exception()
    trace = error.__traceback__ if error is not None else None
    frames = []
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    for frame in reversed(frames):
        with contextlib.suppress(RuntimeError):  # it still runs
            frame.clear()
    if error is not None:
        error.__traceback__ = None


def _fail(why: object = "assertion failed") -> typing.NoReturn:
    raise Panic(str(why))


class _Table(list[Any]):
    """A constant array; an index outside of it is a panic."""

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int) and not _world.loading and not 0 <= index < len(self):
            raise Panic(f"index {int(index)} outside of {len(self)} elements")
        return super().__getitem__(index)


def _convert_tables(names: dict[str, Any]) -> None:
    """Give the plain integers in build-time tables their declared width."""
    for name, annotation in names.get("__annotations__", {}).items():
        kind = hints.resolve(annotation, names)
        if typing.get_origin(kind) is typing.Final:
            kind = typing.get_args(kind)[0]
        if typing.get_origin(kind) in (list, tuple) and isinstance(names.get(name), list | tuple):
            element = typing.get_args(kind)[0]
            names[name] = _Table(hints.convert(element, each) for each in names[name])


class _Rewriter(ast.NodeTransformer):
    """Inserts the conversions."""

    def __init__(self) -> None:
        self.typed: list[dict[str, str]] = []  # declared locals of the functions around
        self.results: list[str | None] = []

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Let a NamedTuple convert."""
        outer, self.typed = self.typed, []
        self.generic_visit(node)
        self.typed = outer
        if any(isinstance(base, ast.Name) and base.id == "NamedTuple" for base in node.bases):
            node.decorator_list.append(ast.Name("__krait_tuple__", ast.Load()))
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Convert parameters on entry."""
        parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        typed = {p.arg: ast.unparse(p.annotation) for p in parameters if p.annotation is not None}
        entry: list[ast.stmt] = [
            ast.Assign([ast.Name(name, ast.Store())], _convert(kind, ast.Name(name, ast.Load())))
            for name, kind in typed.items()
        ]
        fresh = [name for name in _assigned(node) if name not in typed]
        entry += [ast.Assign([ast.Name(n, ast.Store())], ast.Constant(None)) for n in fresh]
        self.typed.append(dict(typed))
        self.results.append(None if node.returns is None else ast.unparse(node.returns))
        body = [self.visit(each) for each in node.body]
        self.typed.pop()
        self.results.pop()
        start = 1 if ast.get_docstring(node, clean=False) is not None else 0
        node.body = [*body[:start], *entry, *body[start:]]
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        """Convert the result."""
        self.generic_visit(node)
        if node.value is not None and self.results and self.results[-1] is not None:
            node.value = _convert(self.results[-1], node.value)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Convert what a declared local starts with."""
        self.generic_visit(node)
        if self.typed and isinstance(node.target, ast.Name):
            kind = ast.unparse(node.annotation)
            self.typed[-1][node.target.id] = kind
            if node.value is not None:
                node.value = _convert(kind, node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Keep the width of a local."""
        self.generic_visit(node)
        if self.typed and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in self.typed[-1]:
                node.value = _convert(self.typed[-1][name], node.value)
            else:
                old = ast.Name(name, ast.Load())
                keep = ast.Name("__krait_keep__", ast.Load())
                node.value = ast.Call(keep, [old, node.value], [])
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        """Release what the functions held that the error has left."""
        self.generic_visit(node)
        if node.type is not None and self.typed:
            node.name = node.name or "__krait_error__"
            node.body.insert(0, _unwind())
        return node

    def visit_Try(self, node: ast.Try) -> ast.AST:
        """Do so before a `finally` block too."""
        self.generic_visit(node)
        if node.finalbody and self.typed:
            node.finalbody.insert(0, _unwind())
        return node

    def visit_With(self, node: ast.With) -> ast.AST:
        """And before the end of a `with` block."""
        self.generic_visit(node)
        if self.typed:
            kind = ast.Name("__krait_errno__", ast.Load())
            handler = ast.ExceptHandler(kind, None, [_unwind(), ast.Raise()])
            node.body = [ast.Try(node.body, [handler], [], [])]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Count in the width of the bounds."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "range":
            node.func.id = "__krait_range__"
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """Panic."""
        self.generic_visit(node)
        why = [node.msg] if node.msg is not None else []
        call = ast.Expr(ast.Call(ast.Name("__krait_fail__", ast.Load()), why, []))
        return ast.copy_location(ast.If(ast.UnaryOp(ast.Not(), node.test), [call], []), node)


def _assigned(function: ast.FunctionDef) -> list[str]:
    """Give the locals of a function in the order of their first assignment.

    They start as None, so that an assignment can look at the old value; the order is the one in
    which CPython, and compiled code, lets go of them at the end.
    """
    names: dict[str, None] = {}
    for node in sorted(
        (each for each in ast.walk(function) if isinstance(each, ast.Name)),
        key=lambda each: (each.lineno, each.col_offset),
    ):
        if isinstance(node.ctx, ast.Store):
            names[node.id] = None
    return list(names)


def _unwind() -> ast.stmt:
    call = ast.Name("__krait_unwind__", ast.Load())
    return ast.Expr(ast.Call(call, [], []))


def _convert(annotation: str, value: ast.expr) -> ast.expr:
    call = ast.Name("__krait_convert__", ast.Load())
    return ast.Call(call, [ast.Constant(annotation), value], [])
