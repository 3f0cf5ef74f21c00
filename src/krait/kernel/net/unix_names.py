"""Names of UNIX sockets (unix(7)): paths, abstract names, and names that the kernel chooses.

A path leads to a socket's node, whose state is the name and refers weakly to the socket: with the
socket gone, the node stays and refuses connections. Abstract names are in a hash table; two sockets
of different types may have the same.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EADDRINUSE, ECONNREFUSED, EEXIST, EINVAL, ENOSPC
from krait.kernel.fs import modes
from krait.kernel.fs.names import make_node_at
from krait.kernel.fs.path import WalkFlags, walk
from krait.kernel.fs.permission import WRITE, check
from krait.kernel.fs.ramfs.node import NodeState, RamNode
from krait.kernel.lang import (
    Array,
    Buffer,
    Errno,
    Slice,
    Struct,
    Text,
    Weak,
    inline,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.net.socket import AF_UNIX, Caller, Socket, SocketType

FAMILY_BYTES: Final = u64(2)
ADDRESS_BYTES: Final = u64(110)  # sizeof(struct sockaddr_un)
BUCKETS: Final = 64
CHOSEN_DIGITS: Final = 5
CHOSEN_LIMIT: Final = u32(1 << 20)


class UnixName(NodeState):
    """What a socket is bound to."""

    address: Buffer[u8]  # without the family; a path ends with a zero
    socket: Weak[Socket]
    type: SocketType
    hash: u32 = 0
    following: UnixName | None = None

    def write(self, into: Slice[u8]) -> usize:
        """Write the whole sockaddr_un, and give its length."""
        put_family(into)
        length = FAMILY_BYTES + self.address.length
        into.part(FAMILY_BYTES, length).copy_from(self.address.slice)
        return length


class AbstractNames(Struct):
    """All abstract names that are taken."""

    buckets: Array[UnixName | None] = inline(BUCKETS)
    last_chosen: u32 = 0

    def find(self, address: Slice[u8], type: SocketType) -> UnixName | None:
        """Find a name."""
        hash = hash_address(address)
        name = self.buckets[hash % BUCKETS]
        while name is not None:
            if name.hash == hash and name.type == type and name.address.slice.equals(address):
                return name
            name = name.following
        return None

    def add(self, name: UnixName) -> None:
        """Take a name that is free."""
        name.hash = hash_address(name.address.slice)
        name.following = self.buckets[name.hash % BUCKETS]
        self.buckets[name.hash % BUCKETS] = name

    def remove(self, gone: UnixName) -> None:
        """Give a name back; one that is not here is left alone."""
        before: UnixName | None = None
        name = self.buckets[gone.hash % BUCKETS]
        while name is not None:
            following = name.following
            if name is gone:
                if before is None:
                    self.buckets[gone.hash % BUCKETS] = following
                else:
                    before.following = following
                name.following = None
                return
            before = name
            name = following


abstract_names = AbstractNames()


def hash_address(address: Slice[u8]) -> u32:
    """Hash a name (FNV-1a)."""
    result: u32 = 0x811C9DC5
    for byte in address:
        result = (result ^ u32(byte)).wrapping_mul(0x01000193)
    return result


def put_family(into: Slice[u8]) -> None:
    """Write the family."""
    into[0] = u8.truncate(AF_UNIX)
    into[1] = 0


def check_address(address: Slice[u8]) -> None:
    """Refuse what is no sockaddr_un; EINVAL."""
    if address.length < FAMILY_BYTES or address.length > ADDRESS_BYTES:
        raise Errno(EINVAL)
    if address[0] != u8.truncate(AF_UNIX) or address[1] != 0:
        raise Errno(EINVAL)


def is_abstract(address: Slice[u8]) -> bool:
    """Say whether an address is an abstract name."""
    return address.length > FAMILY_BYTES and address[FAMILY_BYTES] == 0


def path_in(address: Slice[u8]) -> Text:
    """Give the path: up to a zero, or to the end."""
    rest = address.part(FAMILY_BYTES, address.length)
    return rest.part(0, rest.find(0))


def bind_name(socket: Socket, address: Slice[u8], caller: Caller) -> UnixName:
    """Take the name that an address gives; without any, choose one.

    Raises EADDRINUSE, EINVAL and what mknod(2) does.
    """
    if address.length == FAMILY_BYTES:
        return choose_name(socket)
    if is_abstract(address):
        wanted = address.part(FAMILY_BYTES, address.length)
        if abstract_names.find(wanted, socket.type) is not None:
            raise Errno(EADDRINUSE)
        name = make_name(socket, wanted, wanted.length)
        abstract_names.add(name)
        return name
    path = path_in(address)
    name = make_name(socket, path, path.length + 1)
    context = caller.context
    mode = u32(modes.SOCKET) | (0o777 & ~context.umask)
    try:
        vnode = make_node_at(context, context.cwd, path, mode, u64(0))
    except Errno as error:
        raise Errno(EADDRINUSE if error.code == EEXIST else error.code)
    if not isinstance(vnode, RamNode):
        raise Errno(EINVAL)
    vnode.state = name
    return name


def refuse_second_name(address: Slice[u8], caller: Caller) -> None:
    """A socket has one name: EINVAL, but EADDRINUSE for a path that exists."""
    if not is_abstract(address):
        try:
            walk(caller.context, caller.context.cwd, path_in(address), WalkFlags(0)).present()
        except Errno:
            raise Errno(EINVAL)
        raise Errno(EADDRINUSE)
    raise Errno(EINVAL)


def make_name(socket: Socket, content: Slice[u8], length: u64) -> UnixName:
    """Make a name; what is longer than its content ends with zeros. Raises ENOMEM."""
    address = Buffer[u8](length=length)
    address.slice.part(0, content.length).copy_from(content)
    return UnixName(address=address, socket=Weak(socket), type=socket.type)


def choose_name(socket: Socket) -> UnixName:
    """Choose a free abstract name of five hexadecimal digits (unix(7), Autobind feature)."""
    chosen: Array[u8] = inline(1 + CHOSEN_DIGITS)
    for _ in range(CHOSEN_LIMIT):
        abstract_names.last_chosen = (abstract_names.last_chosen + 1) % CHOSEN_LIMIT
        number = abstract_names.last_chosen
        for index in range(u32(CHOSEN_DIGITS)):
            digit = u8.truncate(number >> (4 * (CHOSEN_DIGITS - 1 - index)) & 15)
            chosen[index + 1] = digit + 0x30 if digit < 10 else digit + 0x57
        whole = chosen.part(0, 1 + CHOSEN_DIGITS)
        if abstract_names.find(whole, socket.type) is None:
            name = make_name(socket, whole, whole.length)
            abstract_names.add(name)
            return name
    raise Errno(ENOSPC)


def find_socket(address: Slice[u8], type: SocketType, caller: Caller) -> Socket:
    """Find who is bound to an address, which takes the right to write to a path (unix(7)).

    Raises ENOENT and other errors of paths, EACCES, ECONNREFUSED.
    """
    name: UnixName | None = None
    if is_abstract(address):
        name = abstract_names.find(address.part(FAMILY_BYTES, address.length), type)
    elif address.length > FAMILY_BYTES:
        context = caller.context
        vnode = walk(context, context.cwd, path_in(address), WalkFlags.FOLLOW).present()
        if (who := context.rights) is not None:
            check(who, vnode, WRITE)
        if isinstance(vnode, RamNode):
            state = vnode.state
            if isinstance(state, UnixName):
                name = state
    if name is not None and (socket := name.socket.get()) is not None:
        return socket
    raise Errno(ECONNREFUSED)
