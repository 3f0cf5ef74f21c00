"""Lets mypy accept a plain `int` where kernel Python expects a width.

`n + 1` and `size: u32 = 0` are right in kernel Python, whose literals take the width of the other
side, while a `u32` is no `int` and no `u64`. mypy has such a one-way rule inside it, by which an
`int` may stand for a `float`: a type's promotions. This plugin adds our widths, and every class
derived from them, to the promotions of `int`. The list is an internal of mypy, so mypy's version is
pinned.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy.nodes import TypeInfo
from mypy.plugin import AnalyzeTypeContext, ClassDefContext, FunctionSigContext, Plugin
from mypy.types import AnyType, CallableType, FunctionLike, Instance, Type, TypeOfAny

INTEGERS = "krait.kernel.lang.integers"
WIDTHS = ("u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64")


class KernelPython(Plugin):
    """Adds to the promotions of `int` whenever mypy asks about one of our widths."""

    def get_type_analyze_hook(self, fullname: str) -> Callable[[AnalyzeTypeContext], Type] | None:
        """Look at every type that is written down; change none."""
        if fullname.startswith(INTEGERS):
            self._promote_widths()
        return None

    def get_function_hook(self, fullname: str) -> None:
        """Look at every call: a module may use widths without writing one down."""
        if fullname.startswith(INTEGERS):
            self._promote_widths()

    def get_function_signature_hook(
        self, fullname: str
    ) -> Callable[[FunctionSigContext], FunctionLike] | None:
        """Let an enumeration be made from a width, as in `OpenFlags(number)`."""
        made = self._type(fullname)
        if made is not None and any(each.fullname == "enum.Enum" for each in made.mro):
            return _any_argument
        return None

    def get_base_class_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        """Treat a class derived from a width, such as `PhysicalAddress(u64)`, as a width."""
        base = self._type(fullname)
        if base is not None and any(each.fullname == INTEGERS + ".Int" for each in base.mro):
            return lambda context: self._promote(context.cls.info)
        return None

    def _promote_widths(self) -> None:
        for name in WIDTHS:
            info = self._type(f"{INTEGERS}.{name}")
            if info is not None:
                self._promote(info)

    def _promote(self, info: TypeInfo) -> None:
        number = self._type("builtins.int")
        if number is None:
            return
        known = {p.type.fullname for p in number._promote if isinstance(p, Instance)}
        if info.fullname not in known:
            number._promote.append(Instance(info, []))

    def _type(self, fullname: str) -> TypeInfo | None:
        found = self.lookup_fully_qualified(fullname) if self._modules else None
        return found.node if found is not None and isinstance(found.node, TypeInfo) else None


def _any_argument(context: FunctionSigContext) -> CallableType:
    """Take a plain integer or any width; the compiler checks which."""
    signature = context.default_signature
    kinds: list[Type] = [AnyType(TypeOfAny.explicit) for _ in signature.arg_types]
    return signature.copy_modified(arg_types=kinds)


def plugin(_version: str) -> type[Plugin]:
    """Give mypy the plugin."""
    return KernelPython
