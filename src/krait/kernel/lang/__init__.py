"""The names that kernel code imports: the types and built-in functions of kernel Python.

`docs/kernel-python.md` describes the language. Nothing here imports the rest of Krait.
"""

from krait.kernel.lang.addresses import (
    address_of,
    asm,
    asm_do,
    at,
    function_address,
    load,
    reference,
    slice_at,
    store,
    symbol_address,
)
from krait.kernel.lang.atomics import Atomic, Order, PerCpu, Volatile, fence, pinned
from krait.kernel.lang.bits import (
    align_down,
    align_up,
    byteswap,
    count_leading_zeros,
    count_trailing_zeros,
    popcount,
)
from krait.kernel.lang.contexts import (
    aligned,
    export,
    extern,
    inlined,
    interrupt,
    no_kernel_lock,
    no_raise,
    no_sleep,
    reads_shared,
    section,
    sleeps,
)
from krait.kernel.lang.endian import be16, be32, be64
from krait.kernel.lang.enums import width
from krait.kernel.lang.errors import Errno, Panic
from krait.kernel.lang.integers import Int, i8, i16, i32, i64, u8, u16, u32, u64, usize
from krait.kernel.lang.layout import Packed, offset_of, size_of, view
from krait.kernel.lang.logs import log, panic, static_assert
from krait.kernel.lang.markers import borrowed, inline, register
from krait.kernel.lang.objects import Buffer, Counted, Owned, Struct, Unowned, Weak, reference_count
from krait.kernel.lang.slices import Array, Slice, Text, text
from krait.kernel.lang.syscalls import SyscallEntry, syscall, without_lock
from krait.kernel.lang.users import UserPointer, UserSlice

__all__ = [
    "Array", "Atomic", "Buffer", "Counted", "Errno", "Int", "Order", "Owned", "Packed", "Panic",
    "PerCpu", "Slice", "Struct", "SyscallEntry", "Text", "Unowned", "UserPointer", "UserSlice",
    "Volatile", "Weak", "address_of", "align_down", "align_up", "aligned", "asm", "asm_do", "at",
    "be16", "be32", "be64", "borrowed", "byteswap", "count_leading_zeros", "count_trailing_zeros",
    "export", "extern", "fence", "function_address", "i16", "i32", "i64", "i8", "inline", "inlined",
    "interrupt", "load", "log", "no_kernel_lock", "no_raise", "no_sleep", "offset_of", "panic",
    "pinned", "popcount", "reads_shared", "reference", "reference_count", "register", "section",
    "size_of", "sleeps", "slice_at", "static_assert", "store", "symbol_address", "syscall", "text",
    "u16", "u32", "u64", "u8", "usize", "view", "width", "without_lock",
]  # fmt: skip
