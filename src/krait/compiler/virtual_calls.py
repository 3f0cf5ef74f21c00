"""Calls through vtables: which methods need an entry, and what a call may reach.

Every call that is found asks for an entry; every class whose objects are made brings its overrides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from krait.compiler.classes import ClassInfo
from krait.compiler.functions import Function

if TYPE_CHECKING:
    from krait.compiler.program import Program


@dataclass(frozen=True)
class Slot:
    """A vtable entry: the topmost class that declares the method, and its name."""

    cls: ClassInfo
    name: str

    @property
    def c_name(self) -> str:
        """The member of the vtable struct."""
        return f"{self.name}_of_{self.cls.name}"


class VirtualCalls:
    """The methods that are called through vtables."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.requests: dict[tuple[ClassInfo, str], None] = {}
        self._targets: dict[tuple[ClassInfo, str], tuple[int, list[Function]]] = {}
        """What a call may reach, and of how many instantiated classes."""

    def slot(self, cls: ClassInfo, name: str) -> Slot:
        """The vtable entry for a method."""
        top = cls
        current: ClassInfo | None = cls
        while current is not None:
            if name in current.methods:
                top = current
            current = current.base
        return Slot(top, name)

    def request(self, cls: ClassInfo, name: str) -> Slot:
        """A method is called through a vtable."""
        if (cls, name) not in self.requests:
            self.requests[cls, name] = None
            for each in list(self.program.instantiated):
                if each.is_subclass(cls):
                    self.program.request_override(each, name)
        return self.slot(cls, name)

    def possible_targets(self, cls: ClassInfo, name: str) -> list[Function]:
        """The overrides that a virtual call may run."""
        instantiated = self.program.instantiated
        seen, found = self._targets.get((cls, name), (0, []))
        if seen < len(instantiated):
            found = list(found)
            for each in instantiated[seen:]:
                if each.is_subclass(cls):
                    method = each.find_method(name)
                    if method is not None:
                        function = self.program.method(method[0], name)
                        if function not in found and not self.program.is_abstract(function):
                            found.append(function)
            self._targets[cls, name] = len(instantiated), found
        return found

    def raises(self, cls: ClassInfo, name: str) -> bool:
        """Whether a virtual call may raise."""
        return any(each.raises for each in self.possible_targets(cls, name))

    def slot_returns_error(self, slot: Slot) -> bool:
        """Whether the functions in a slot return an error word."""
        return any(each.returns_error for each in self.possible_targets(slot.cls, slot.name))
