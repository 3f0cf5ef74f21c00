"""Wire layouts of questions about a running machine and their answers; see `look`."""

from __future__ import annotations

from krait.kernel.lang import Packed, u8, u16, u32, u64


class LookRequest(Packed):
    """`MessageType.LOOK`."""

    version: u16
    question: u16
    number: u32  # chosen by the host, repeated in the answer
    argument: u64


class LookReply(Packed):
    """Opens every `MessageType.LOOK_REPLY`; records follow."""

    version: u16
    flags: u16
    number: u32
    code: u32  # 0, or the errno of what went wrong


class RecordHeader(Packed):
    """Opens every record."""

    kind: u16
    length: u16  # of what follows


class MachineRecord(Packed):
    """`Record.MACHINE`; the text is the host name."""

    uptime_ns: u64
    cpus: u32
    load_1: u32  # in 1 / 2048
    load_5: u32
    load_15: u32
    memory_total: u64  # bytes
    memory_free: u64
    interrupts: u64


class CpuRecord(Packed):
    """`Record.CPU`."""

    number: u32
    tid: u32  # who runs; NOBODY when idle
    idle_ns: u64


class ProcessRecord(Packed):
    """`Record.PROCESS`; the text is the command line, each word with a zero behind it."""

    pid: u32
    parent: u32
    uid: u32
    threads: u32
    cpu_ns: u64
    started_ns: u64
    resident: u64  # bytes
    virtual: u64
    faults: u64


class ThreadRecord(Packed):
    """`Record.THREAD`; the text is the name."""

    tid: u32
    pid: u32
    state: u8
    priority: u8  # real-time priority, 0 for others
    nice: u8  # plus 20
    reserved: u8
    cpu: u32  # where it runs or ran last
    call: u32  # the system call it is in, NOBODY if in none
    waits_at: u64  # an address in the kernel, 0 when it does not wait
    cpu_ns: u64
    switches: u64
    preemptions: u64


class DescriptorRecord(Packed):
    """`Record.DESCRIPTOR`; the text is the path, or what stands for one."""

    number: u32
    flags: u32  # as F_GETFL, with O_CLOEXEC
    mode: u32  # as st_mode
    reserved: u32
    position: u64
    size: u64
    inode: u64


class MappingRecord(Packed):
    """`Record.MAPPING`; the text is the name."""

    start: u64
    end: u64
    offset: u64  # in the file, bytes
    resident: u64  # bytes
    inode: u64
    protection: u32  # PROT_*
    shared: u32


class FrameRecord(Packed):
    """`Record.FRAME`: one return address, the innermost first."""

    tid: u32
    side: u32
    address: u64


class SampleRecord(Packed):
    """`Record.SAMPLE`; the text is addresses of 8 bytes, the kernel's frames, then the program's.

    The head has the tid in its lower 32 bits, the CPU above them, the number of frames of the
    kernel from bit 48 on and of the program from bit 56 on.
    """

    head: u64


class LostRecord(Packed):
    """`Record.LOST`: so many samples found no room."""

    count: u64
