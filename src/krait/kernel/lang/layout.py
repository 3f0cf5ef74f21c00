"""Bytes with a declared layout: packets, disk structures, what programs pass to system calls.

A `Packed` class has no padding and no alignment; its integers are little-endian unless declared
`be16` and so on. `view(Header, packet, 14)` checks once that the header fits and then reads and
writes the packet's own bytes. The sizes given here are those of the ABI, so
`static_assert(size_of(UdpHeader) == 8)` holds in both worlds.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from krait.kernel.lang import hints
from krait.kernel.lang.endian import BigEndian
from krait.kernel.lang.enums import width_of
from krait.kernel.lang.integers import Int, u8, u64
from krait.kernel.lang.markers import Inline, Register
from krait.kernel.lang.objects import MISSING, Field, Struct
from krait.kernel.lang.panics import Panic
from krait.kernel.lang.slices import Array, Slice, slice_over

P = TypeVar("P", bound="Packed")
START: Final = u64(0)


class Codec(NamedTuple):
    """How a type lies in memory."""

    size: int
    align: int
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]


class Packed(Struct):
    """Unaligned fields at fixed offsets in a run of bytes."""

    if not TYPE_CHECKING:

        def __init_subclass__(cls, **keywords: Any) -> None:
            super().__init_subclass__(**keywords)
            for name, field in cls.__krait_fields__.items():
                if field.owner is cls:
                    setattr(cls, name, _PackedField(field))

        def __init__(self, **values: Any) -> None:
            self.__dict__["_bytes"] = Slice(
                bytearray(size_of(type(self))), 0, size_of(type(self)), u8
            )
            for name, field in self.__krait_fields__.items():
                if name in values:
                    setattr(self, name, values.pop(name))
                elif field.default is MISSING:
                    raise TypeError(f"{type(self).__name__} needs {name}=")
                elif not isinstance(field.default, Inline | Register):
                    setattr(self, name, field.default)
            if values:
                raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(values))}")

        @classmethod
        def __krait_inline__(cls, _kinds: Any, _arguments: Any, keywords: Any) -> Any:
            made = cls._over(Slice(bytearray(size_of(cls)), 0, size_of(cls), u8))
            for name, value in keywords.items():
                setattr(made, name, value)
            return made

        @classmethod
        def _over(cls, memory: Slice) -> Any:
            made = object.__new__(cls)
            made.__dict__["_bytes"] = memory
            return made

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in self.__krait_fields__:
                raise TypeError(f"{type(self).__name__} has no field {name}")
            object.__setattr__(self, name, value)

        def __bytes__(self) -> bytes:
            return bytes(self._bytes)


class _PackedField:
    """Reads and writes one field in the object's bytes."""

    def __init__(self, field: Field) -> None:
        self.field = field

    def __get__(self, target: Any, owner: type) -> Any:
        if target is None:
            return self.field.default
        kind, (offset, size) = self.field.kind, layout(type(target))[self.field.name]
        memory = target._bytes.part(offset, offset + size)
        origin = typing.get_origin(kind) or kind
        if origin is Array:
            element = typing.get_args(kind)[0]
            return memory if element is u8 else _elements(memory, element)
        if issubclass(origin, Packed):
            return origin._over(memory)
        return codec(kind).decode(bytes(memory))

    def __set__(self, target: Any, value: Any) -> None:
        kind, (offset, size) = self.field.kind, layout(type(target))[self.field.name]
        if isinstance(self.field.default, Inline):
            raise TypeError(f"{self.field.name} is embedded and is not reassigned")
        value = hints.convert(kind, value)
        memory = target._bytes.part(offset, offset + size)
        memory.copy_from(slice_over(codec(kind).encode(value), 0, size, u8))


class _ElementArray(Slice[Any]):
    """An array of wider elements inside packed bytes."""

    if not TYPE_CHECKING:
        __slots__ = ("_codec",)

        def __init__(self, memory: Slice, kind: Any) -> None:
            object.__setattr__(self, "_codec", codec(kind))
            super().__init__(memory, 0, int(memory.length) // self._codec.size, kind)

        def __getitem__(self, index: int, /) -> Any:
            return self._codec.decode(bytes(self._place(index)))

        def __setitem__(self, index: int, value: Any, /) -> None:
            raw = self._codec.encode(hints.convert(self._kind, value))
            self._place(index).copy_from(Slice(raw, 0, len(raw), u8))

        def _place(self, index: int) -> Slice:
            if not 0 <= int(index) < int(self.length):
                raise Panic(f"index {int(index)} outside of {int(self.length)} elements")
            size = self._codec.size
            return self._store.part(int(index) * size, (int(index) + 1) * size)


def _elements(memory: Slice[u8], kind: Any) -> Slice[Any]:
    make: Any = _ElementArray
    made: Slice[Any] = make(memory, kind)
    return made


def _packed(kind: Any, memory: Slice[u8]) -> Any:
    """Make an object over existing bytes."""
    return kind._over(memory)


def view(kind: type[P], memory: Slice[u8], offset: u64 = START, /) -> P:
    """Read bytes from `offset` on as a packed structure; panic if they are too few."""
    made: P = _packed(kind, memory.part(offset, offset + u64(size_of(kind))))
    return made


def layout(kind: type[Struct]) -> dict[str, tuple[int, int]]:
    """Give offset and size of each field: packed, or laid out as C does."""
    places: dict[str, tuple[int, int]] = {}
    offset = 0
    for name, field in kind.__krait_fields__.items():
        size, align = _extent(field)
        if isinstance(field.default, Register):
            offset = field.default.offset
        elif not issubclass(kind, Packed):
            offset += -offset % align
        places[name] = (offset, size)
        offset += size
    return places


def size_of(kind: Any, /) -> int:
    """Give the size in bytes; a build-time constant."""
    if not _is_struct(kind):
        return codec(kind).size
    places = layout(kind)
    end = max((offset + size for offset, size in places.values()), default=0)
    if issubclass(kind, Packed):
        return end
    return end + -end % max((_extent(f)[1] for f in kind.__krait_fields__.values()), default=1)


def offset_of(kind: type[Struct], field: str, /) -> int:
    """Give a field's offset in bytes; a build-time constant."""
    return layout(kind)[field][0]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _extent(field: Field) -> tuple[int, int]:
    """Give size and alignment of a field."""
    kind = field.kind
    origin = typing.get_origin(kind) or kind
    if isinstance(field.default, Inline):
        if origin is Array:
            element = codec(typing.get_args(kind)[0])
            return element.size * int(field.default.arguments[0]), max(
                element.align, field.default.align
            )
        if _is_struct(origin):
            parts = origin.__krait_fields__.values()
            align = (
                1 if issubclass(origin, Packed) else max((_extent(f)[1] for f in parts), default=1)
            )
            return size_of(origin), max(align, field.default.align)
    if typing.get_args(kind) and isinstance(field.default, Inline | Register):  # Atomic, Volatile
        inner = codec(typing.get_args(kind)[0])
        return inner.size, inner.align
    known = codec(kind)
    return known.size, known.align


def codec(kind: Any) -> Codec:
    """Describe how a value of this type lies in memory."""
    if isinstance(kind, type):
        if issubclass(kind, Int):
            size = kind.bits // 8
            return Codec(
                size,
                size,
                lambda raw: kind(int.from_bytes(raw, "little", signed=kind.low < 0)),
                lambda value: int(value).to_bytes(size, "little", signed=kind.low < 0),
            )
        if issubclass(kind, BigEndian):
            size = kind.bits // 8
            return Codec(
                size,
                size,
                lambda raw: kind(int.from_bytes(raw, "big")),
                lambda value: int(value.host).to_bytes(size, "big"),
            )
        if issubclass(kind, bool):
            return Codec(1, 1, lambda raw: raw != b"\0", lambda value: bytes([value]))
        if issubclass(kind, enum.Enum):
            inner = codec(width_of(kind))
            return Codec(
                inner.size, inner.align, lambda raw: kind(int(inner.decode(raw))), inner.encode
            )
        if issubclass(kind, Packed):
            size = size_of(kind)
            return Codec(
                size, 1, lambda raw: _packed(kind, slice_over(bytearray(raw), 0, size, u8)), bytes
            )
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return _tuple_codec(kind)
    return Codec(8, 8, _no_bytes, _no_bytes)  # a reference


def _tuple_codec(kind: Any) -> Codec:
    """Lay out a NamedTuple as C lays out a structure."""
    parts = [codec(each) for each in hints.tuple_kinds(kind)]
    offsets, end = [], 0
    for part in parts:
        end += -end % part.align
        offsets.append(end)
        end += part.size
    align = max((part.align for part in parts), default=1)
    end += -end % align

    def decode(raw: bytes) -> Any:
        return kind(*(p.decode(raw[o : o + p.size]) for p, o in zip(parts, offsets, strict=True)))

    def encode(value: Any) -> bytes:
        raw = bytearray(end)
        for part, offset, item in zip(parts, offsets, value, strict=True):
            raw[offset : offset + part.size] = part.encode(item)
        return bytes(raw)

    return Codec(end, align, decode, encode)


def _no_bytes(_value: Any) -> Any:
    raise TypeError("a reference has no bytes outside of the kernel")
