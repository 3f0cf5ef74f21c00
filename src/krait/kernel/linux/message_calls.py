"""Messages of sockets: sendmsg(2), recvmsg(2) and their relatives, with what goes along.

Control messages carry open files (SCM_RIGHTS) and credentials (SCM_CREDENTIALS, unix(7)). What the
program passes is copied into the kernel once and then judged.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.errno import (
    EBADF,
    EFAULT,
    EINVAL,
    EMSGSIZE,
    ENOBUFS,
    EPERM,
    EPIPE,
    ESRCH,
    ETOOMANYREFS,
)
from krait.kernel.fs.credentials import CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN
from krait.kernel.fs.file import File
from krait.kernel.fs.scatter_list import VECTOR_MOST, ScatterList, Vector
from krait.kernel.lang import (
    Array,
    Buffer,
    Errno,
    Packed,
    Slice,
    Struct,
    UserPointer,
    UserSlice,
    i32,
    inline,
    size_of,
    static_assert,
    syscall,
    u8,
    u32,
    u64,
    usize,
    view,
)
from krait.kernel.linux.descriptor_calls import OPEN_CLOSE_ON_EXEC, install
from krait.kernel.linux.event_calls import TimeSpec, deadline_from_spec, write_time_left
from krait.kernel.linux.io_calls import broken_pipe, bytes_at
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.process_table import process_table
from krait.kernel.linux.socket_calls import load_address, socket_behind, store_address
from krait.kernel.linux.task import current_credentials, current_process
from krait.kernel.net.passed_files import PassedFiles, pass_files, sockets_in_flight
from krait.kernel.net.socket import (
    ADDRESS_MOST,
    Incoming,
    MessageFlags,
    Outgoing,
    Socket,
)
from krait.kernel.sched.clock import monotonic_ns

CONTROL_MOST: Final = u64(20480)  # net.core.optmem_max
SCM_RIGHTS: Final = u32(1)
SCM_CREDENTIALS: Final = u32(2)
SCM_MOST_FILES: Final = u64(253)  # SCM_MAX_FD
MOST_NESTED: Final = u32(4)
MOST_IN_FLIGHT: Final = u64(16000)
SOL_SOCKET: Final = u32(1)
MESSAGES_MOST: Final = u32(1024)  # UIO_MAXIOV


MSG_CMSG_COMPAT: Final = u32(1 << 31)
SENDING: Final = (
    MessageFlags.DONTWAIT | MessageFlags.NOSIGNAL | MessageFlags.EOR | MessageFlags.MORE
)
RECEIVING: Final = (
    MessageFlags.PEEK | MessageFlags.TRUNC | MessageFlags.DONTWAIT | MessageFlags.WAITALL
)


class ControlHeader(Packed):
    """struct cmsghdr."""

    length: u64 = 0
    level: u32 = 0
    type: u32 = 0


static_assert(size_of(ControlHeader) == 16)
HEADER_BYTES: Final = u64(16)


class MessageHeader(NamedTuple):
    """struct msghdr."""

    name: u64
    name_length: u32
    padding_0: u32
    vectors: u64
    vector_count: u64
    control: u64
    control_length: u64
    flags: u32
    padding_1: u32


class ManyHeader(NamedTuple):
    """struct mmsghdr."""

    name: u64
    name_length: u32
    padding_0: u32
    vectors: u64
    vector_count: u64
    control: u64
    control_length: u64
    flags: u32
    padding_1: u32
    length: u32
    padding_2: u32


MANY_BYTES: Final = u64(64)
LENGTH_AT: Final = u64(56)
static_assert(size_of(ManyHeader) == 64)


@syscall("sendto", flags=SENDING)
def sendto(
    descriptor: i32, address: u64, length: u64, flags: MessageFlags, to: u64, to_length: u32
) -> usize:
    """sendto(2)."""
    found = socket_behind(descriptor)
    room: Array[u8] = inline(ADDRESS_MOST)
    target = room.part(0, 0)
    if to != 0:
        target = load_address(to, to_length, room)
    data = ScatterList()
    data.set_one(bytes_at(address, length))
    extra = Outgoing()
    return send_one(found, data, flags, target, extra)


def send_one(
    socket: Socket, data: ScatterList, flags: MessageFlags, to: Slice[u8], extra: Outgoing
) -> usize:
    """Send, and let EPIPE signal unless the program asked otherwise."""
    try:
        return socket.send(data, flags, to, extra)
    except Errno as error:
        if error.code == EPIPE and MessageFlags.NOSIGNAL not in flags:
            broken_pipe(socket)
        raise


@syscall("recvfrom", flags=RECEIVING)
def recvfrom(
    descriptor: i32,
    address: u64,
    length: u64,
    flags: MessageFlags,
    source: u64,
    source_length: UserPointer[u32],
) -> usize:
    """recvfrom(2)."""
    socket = socket_behind(descriptor)
    into = ScatterList()
    into.set_one(bytes_at(address, length))
    found = Incoming()
    taken = socket.receive(into, flags, found)
    if source != 0:
        store_address(found.address.part(0, found.address_length), source, source_length)
    return taken


@syscall("sendmsg", flags=SENDING)
def sendmsg(descriptor: i32, message: UserPointer[MessageHeader], flags: MessageFlags) -> usize:
    """sendmsg(2)."""
    refuse_compatible(flags)
    return send_message(socket_behind(descriptor), message.load(), flags)


def refuse_compatible(flags: MessageFlags) -> None:
    """Refuse structures of 32-bit programs, which only Linux itself asks for; EINVAL."""
    if u32(flags) & MSG_CMSG_COMPAT != 0:
        raise Errno(EINVAL)


def send_message(found: Socket, header: MessageHeader, flags: MessageFlags) -> usize:
    """Send one message with what goes along."""
    room: Array[u8] = inline(ADDRESS_MOST)
    target = room.part(0, 0)
    if header.name != 0 and header.name_length != 0:
        target = load_address(header.name, min(header.name_length, u32(ADDRESS_MOST)), room)
    data = ScatterList()
    load_vectors(data, header)
    extra = Outgoing()
    if header.control_length != 0:
        load_control(header, extra)
    return send_one(found, data, flags, target, extra)


def load_vectors(list: ScatterList, header: MessageHeader) -> None:
    """Copy the vector in; EMSGSIZE when it is too long."""
    if header.vector_count > u64(VECTOR_MOST):
        raise Errno(EMSGSIZE)
    list.load(UserPointer[Vector](header.vectors), u32(header.vector_count))


def load_control(header: MessageHeader, extra: Outgoing) -> None:
    """Copy the control messages in and take each; EINVAL, ENOBUFS, EFAULT."""
    if header.control_length > u64(0x7FFFFFFF):
        raise Errno(ENOBUFS)
    if header.control_length < HEADER_BYTES:
        return
    if header.control_length > CONTROL_MOST:
        raise Errno(ENOBUFS)
    copied = Buffer[u8](length=header.control_length)
    UserSlice[u8](header.control, header.control_length).copy_in(copied.slice)
    at: u64 = 0
    while at + HEADER_BYTES <= copied.length:
        control = view(ControlHeader, copied.slice, at)
        length = control.length
        if length < HEADER_BYTES or length > copied.length - at:
            raise Errno(EINVAL)
        if control.level == SOL_SOCKET:
            content = copied.slice.part(at + HEADER_BYTES, at + length)
            match control.type:
                case 1:  # SCM_RIGHTS
                    take_rights(content, extra)
                case 2:  # SCM_CREDENTIALS
                    take_credentials(content, extra)
                case _:
                    raise Errno(EINVAL)
        at += (length + 7) & ~u64(7)


def take_rights(content: Slice[u8], extra: Outgoing) -> None:
    """Find the files behind descriptors; EBADF, EINVAL, ETOOMANYREFS."""
    count = content.length // 4
    if count == 0:
        return
    already: u64 = 0
    before = extra.files
    if before is not None:
        already = before.files.length
    if count + already > SCM_MOST_FILES:
        raise Errno(EINVAL)
    if sockets_in_flight.count + count > MOST_IN_FLIGHT:
        raise Errno(ETOOMANYREFS)
    files = Buffer[File | None](length=already + count)
    if before is not None:
        for index in range(already):
            files[index] = before.files[index]
    for index in range(count):
        file = open_file(i32.truncate(number_at(content, index * 4)))
        if not file.is_readable and not file.is_writable and file.flags & 0o10000000 != 0:
            raise Errno(EBADF)
        files[already + index] = file
    made = pass_files(files)
    if made.nesting > MOST_NESTED:
        raise Errno(ETOOMANYREFS)
    extra.files = made


def take_credentials(content: Slice[u8], extra: Outgoing) -> None:
    """Check what the program says about itself; EINVAL, EPERM, ESRCH."""
    if content.length != 12:
        raise Errno(EINVAL)
    pid = number_at(content, u64(0))
    uid = number_at(content, u64(4))
    gid = number_at(content, u64(8))
    process = current_process()
    who = current_credentials()
    if pid != process.pid and not who.has(CAP_SYS_ADMIN):
        raise Errno(EPERM)
    if uid not in (who.uid, who.euid, who.suid) and not who.has(CAP_SETUID):
        raise Errno(EPERM)
    if gid not in (who.gid, who.egid, who.sgid) and not who.has(CAP_SETGID):
        raise Errno(EPERM)
    if process_table.find(pid) is None:
        raise Errno(ESRCH)
    extra.has_credentials = True
    extra.pid = pid
    extra.uid = uid
    extra.gid = gid


def number_at(content: Slice[u8], at: u64) -> u32:
    """Read a number of four bytes."""
    number: u32 = 0
    for index in range(u64(4)):
        number |= u32(content[at + index]) << (u32.truncate(index) * 8)
    return number


@syscall("recvmsg", flags=RECEIVING | MessageFlags.CMSG_CLOEXEC)
def recvmsg(descriptor: i32, message: UserPointer[MessageHeader], flags: MessageFlags) -> usize:
    """recvmsg(2)."""
    refuse_compatible(flags)
    socket = socket_behind(descriptor)
    header = message.load()
    if i32.truncate(u64(header.name_length)) < 0:
        raise Errno(EINVAL)
    result = receive_message(socket, header, flags)
    message.store(
        MessageHeader(
            name=header.name,
            name_length=result.name_length,
            padding_0=header.padding_0,
            vectors=header.vectors,
            vector_count=header.vector_count,
            control=header.control,
            control_length=result.control_length,
            flags=result.flags,
            padding_1=header.padding_1,
        )
    )
    return result.taken


class ReceivedHeader(NamedTuple):
    """What recvmsg(2) writes back."""

    name_length: u32
    control_length: u64
    flags: u32
    taken: u64


def receive_message(socket: Socket, header: MessageHeader, flags: MessageFlags) -> ReceivedHeader:
    """Receive one message, and hand out what came along."""
    into = ScatterList()
    load_vectors(into, header)
    found = Incoming()
    taken = socket.receive(into, flags, found)
    if header.name != 0:
        size = min(u64(header.name_length), found.address_length)
        UserSlice[u8](header.name, size).copy_out(found.address.part(0, size))
    shown = found.flags | u32(flags & MessageFlags.CMSG_CLOEXEC)
    control = ControlWriter(address=header.control, left=header.control_length)
    if found.has_credentials:
        content: Array[u8] = inline(12)
        put_number(content, u64(0), found.pid)
        put_number(content, u64(4), found.uid)
        put_number(content, u64(8), found.gid)
        control.put(SCM_CREDENTIALS, content)
    if (files := found.files) is not None:
        hand_out(files, control, flags)
    if control.truncated:
        shown |= u32(MessageFlags.CTRUNC)
    return ReceivedHeader(
        name_length=u32(found.address_length) if header.name != 0 else header.name_length,
        control_length=control.used,
        flags=shown,
        taken=taken,
    )


class ControlWriter(Struct):
    """Where control messages of a receive go."""

    address: u64
    left: u64
    used: u64 = 0
    truncated: bool = False

    def put(self, type: u32, content: Slice[u8]) -> None:
        """Write a message, cut to the room there is; EFAULT."""
        if self.address == 0 or self.left < HEADER_BYTES:
            self.truncated = True
            return
        length = HEADER_BYTES + content.length
        if length > self.left:
            self.truncated = True
            length = self.left
        header = ControlHeader(length=length, level=SOL_SOCKET, type=type)
        place = self.address.checked_add(self.used, EFAULT)
        UserPointer[ControlHeader](place).copy_out(header)
        part = content.part(0, length - HEADER_BYTES)
        UserSlice[u8](place.checked_add(HEADER_BYTES, EFAULT), part.length).copy_out(part)
        self.advance(length)

    def advance(self, length: u64) -> None:
        """Go to where the next message begins."""
        space = min((length + 7) & ~u64(7), self.left)
        self.used += space
        self.left -= space

    def room_for_files(self) -> u64:
        """Give how many descriptors fit."""
        if self.address == 0 or self.left < HEADER_BYTES:
            return u64(0)
        return (self.left - HEADER_BYTES) // 4


def hand_out(files: PassedFiles, control: ControlWriter, flags: MessageFlags) -> None:
    """Give the files descriptors, as many as there is room for (scm_detach_fds of Linux)."""
    marks = OPEN_CLOSE_ON_EXEC if MessageFlags.CMSG_CLOEXEC in flags else u32(0)
    count = min(control.room_for_files(), files.files.length)
    place = UserPointer[i32](control.address.wrapping_add(control.used + HEADER_BYTES))
    done: u64 = 0
    while done < count:
        file = files.files[done]
        if file is None:
            break
        try:
            number = install(file, marks)
        except Errno:
            break
        try:
            place.store_at(done, i32(number))
        except Errno:
            current_process().descriptors.close(number)
            break
        done += 1
    if done < files.files.length:
        control.truncated = True
    if done != 0:
        header = ControlHeader(length=HEADER_BYTES + done * 4, level=SOL_SOCKET, type=SCM_RIGHTS)
        UserPointer[ControlHeader](control.address.wrapping_add(control.used)).copy_out(header)
        control.advance(HEADER_BYTES + done * 4)


@syscall("sendmmsg", flags=SENDING)
def sendmmsg(
    descriptor: i32, messages: UserPointer[ManyHeader], count: u32, flags: MessageFlags
) -> u32:
    """sendmmsg(2): an error behind the first message only ends it."""
    refuse_compatible(flags)
    socket = socket_behind(descriptor)
    done: u32 = 0
    while done < min(count, MESSAGES_MOST):
        try:
            given = messages.load_at(u64(done))
            sent = send_message(socket, header_of(given), flags)
            store_length(messages, done, sent)
        except Errno:
            if done == 0:
                raise
            break
        done += 1
    return done


@syscall("recvmmsg", flags=RECEIVING | MessageFlags.CMSG_CLOEXEC | MessageFlags.WAITFORONE)
def recvmmsg(
    descriptor: i32,
    messages: UserPointer[ManyHeader],
    count: u32,
    flags: MessageFlags,
    timeout: UserPointer[TimeSpec],
) -> u32:
    """recvmmsg(2); the timeout is looked at between messages, as on Linux."""
    refuse_compatible(flags)
    deadline_ns = deadline_from_spec(timeout)
    socket = socket_behind(descriptor)
    done: u32 = 0
    how = flags & ~MessageFlags.WAITFORONE
    while done < min(count, MESSAGES_MOST):
        try:
            given = messages.load_at(u64(done))
            result = receive_message(socket, header_of(given), how)
            store_result(messages, done, given, result)
        except Errno:
            if done == 0:
                raise
            break
        done += 1
        if MessageFlags.WAITFORONE in flags:
            how = how | MessageFlags.DONTWAIT
        if not timeout.is_null and monotonic_ns() >= deadline_ns:
            break
    write_time_left(timeout, deadline_ns)
    return done


def header_of(given: ManyHeader) -> MessageHeader:
    """Give the header within struct mmsghdr."""
    return MessageHeader(
        name=given.name,
        name_length=given.name_length,
        padding_0=given.padding_0,
        vectors=given.vectors,
        vector_count=given.vector_count,
        control=given.control,
        control_length=given.control_length,
        flags=given.flags,
        padding_1=given.padding_1,
    )


def store_length(messages: UserPointer[ManyHeader], index: u32, length: u64) -> None:
    """Write `msg_len`."""
    place = messages.address.checked_add(u64(index) * MANY_BYTES + LENGTH_AT, EFAULT)
    UserPointer[u32](place).store(u32.truncate(length))


def store_result(
    messages: UserPointer[ManyHeader], index: u32, given: ManyHeader, result: ReceivedHeader
) -> None:
    """Write what recvmsg(2) would, and `msg_len`."""
    messages.store_at(
        u64(index),
        ManyHeader(
            name=given.name,
            name_length=result.name_length,
            padding_0=given.padding_0,
            vectors=given.vectors,
            vector_count=given.vector_count,
            control=given.control,
            control_length=result.control_length,
            flags=result.flags,
            padding_1=given.padding_1,
            length=u32.truncate(result.taken),
            padding_2=given.padding_2,
        ),
    )


def put_number(content: Slice[u8], at: u64, number: u32) -> None:
    """Write a number of four bytes."""
    for index in range(u64(4)):
        content[at + index] = u8.truncate(number >> (u32.truncate(index) * 8))
