"""The pool that every random number of the kernel comes from.

A generator with fast key erasure (Bernstein 2017, "Fast-key-erasure random-number generators"):
ChaCha20 (RFC 8439) under the pool's key makes a block, whose first half becomes the next key at
once and whose rest is given out, so that what was given out cannot be recomputed from the pool.
Longer requests take a key of their own for the whole of the request.

Seeds are added by replacing the key with output that the seed was added to. The CPU's generator
and the time stamp counter are mixed in at the first use and then every `RESEED_CALLS`; the host's
device is asked when the CPU has no generator.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.cpu import hardware_random
from krait.kernel.arch.x86_64.tsc import ticks_now
from krait.kernel.drivers.virtio import rng
from krait.kernel.lang import Array, Slice, Struct, inline, u8, u32, u64, usize
from krait.kernel.sched.spin_lock import SpinLock

KEY_WORDS: Final = 8
BLOCK_WORDS: Final = 16
BLOCK_BYTES: Final = 64
KEY_BYTES: Final = 32
DOUBLE_ROUNDS: Final = 10
RESEED_CALLS: Final = 1024

CONSTANTS: Final[list[u32]] = [  # "expand 32-byte k", RFC 8439, 2.3
    u32(0x61707865),
    u32(0x3320646E),
    u32(0x79622D32),
    u32(0x6B206574),
]


class ChaCha20(Struct):
    """The block function, with a key and a counter; the nonce is 0: keys are not reused."""

    key: Array[u32] = inline(KEY_WORDS)
    state: Array[u32] = inline(BLOCK_WORDS)
    counter: u64 = 0

    def next_block(self) -> None:
        """Leave the next block of the key stream in `state`."""
        state = self.state
        for index in range(4):
            state[index] = CONSTANTS[index]
        for index in range(KEY_WORDS):
            state[index + 4] = self.key[index]
        state[12] = u32.truncate(self.counter)
        state[13] = u32(self.counter >> 32)
        state[14] = 0
        state[15] = 0
        for _ in range(DOUBLE_ROUNDS):
            self._quarter(0, 4, 8, 12)
            self._quarter(1, 5, 9, 13)
            self._quarter(2, 6, 10, 14)
            self._quarter(3, 7, 11, 15)
            self._quarter(0, 5, 10, 15)
            self._quarter(1, 6, 11, 12)
            self._quarter(2, 7, 8, 13)
            self._quarter(3, 4, 9, 14)
        for index in range(4):
            state[index] = state[index].wrapping_add(CONSTANTS[index])
        for index in range(KEY_WORDS):
            state[index + 4] = state[index + 4].wrapping_add(self.key[index])
        state[12] = state[12].wrapping_add(u32.truncate(self.counter))
        state[13] = state[13].wrapping_add(u32(self.counter >> 32))
        self.counter = self.counter.wrapping_add(1)

    def _quarter(self, a: usize, b: usize, c: usize, d: usize) -> None:
        """Mix four words (RFC 8439, 2.1)."""
        state = self.state
        state[a] = state[a].wrapping_add(state[b])
        state[d] = rotate(state[d] ^ state[a], u32(16))
        state[c] = state[c].wrapping_add(state[d])
        state[b] = rotate(state[b] ^ state[c], u32(12))
        state[a] = state[a].wrapping_add(state[b])
        state[d] = rotate(state[d] ^ state[a], u32(8))
        state[c] = state[c].wrapping_add(state[d])
        state[b] = rotate(state[b] ^ state[c], u32(7))


class Pool(Struct):
    """The generator of the whole kernel."""

    lock: SpinLock = inline()
    cipher: ChaCha20 = inline()
    seeded: bool = False
    calls_left: u32 = 0

    def draw_key(self) -> None:
        """Replace the key by output, and leave the rest of the block in the state's second half."""
        self.cipher.next_block()
        for index in range(KEY_WORDS):
            self.cipher.key[index] = self.cipher.state[index]

    def stir(self) -> None:
        """Mix in what the CPU offers."""
        for index in range(KEY_WORDS // 2):
            word = hardware_random() ^ ticks_now()
            self.cipher.key[index * 2] ^= u32.truncate(word)
            self.cipher.key[index * 2 + 1] ^= u32(word >> 32)
        self.draw_key()
        self.calls_left = u32(RESEED_CALLS)


pool = Pool()


def fill(into: Slice[u8]) -> None:
    """Fill with random bytes."""
    if not pool.seeded:
        _seed()
    with pool.lock:
        if pool.calls_left == 0:
            pool.stir()
        pool.calls_left -= 1
        pool.draw_key()
        if into.length <= KEY_BYTES:
            _copy_words(pool.cipher.state.part(KEY_WORDS, BLOCK_WORDS), into)
            pool.cipher.state.fill(0)
            return
        cipher = ChaCha20()
        for index in range(KEY_WORDS):
            cipher.key[index] = pool.cipher.state[index + KEY_WORDS]
    done: usize = 0
    while done < into.length:
        cipher.next_block()
        count = min(into.length - done, usize(BLOCK_BYTES))
        _copy_words(cipher.state, into.part(done, done + count))
        done += count


def number() -> u64:
    """Give a random number."""
    raw: Array[u8] = inline(8)
    fill(raw)
    result: u64 = 0
    for index in range(u32(8)):
        result |= u64(raw[index]) << index * 8
    return result


def add_seed(seed: Slice[u8]) -> None:
    """Mix in bytes of any quality, as a program writes them to /dev/urandom."""
    with pool.lock:
        for index in range(seed.length):
            pool.cipher.key[index >> 2 & 7] ^= u32(seed[index]) << (index & 3) * 8
            if index % KEY_BYTES == KEY_BYTES - 1:
                pool.draw_key()
        pool.draw_key()


def rotate(word: u32, count: u32) -> u32:
    """Rotate left; the count is between 1 and 31."""
    return word.wrapping_shl(count) | word >> (32 - count)


def _seed() -> None:
    """Fill the pool for the first time."""
    pool.seeded = True
    if hardware_random() == 0:
        seed: Array[u8] = inline(KEY_BYTES)
        rng.draw(seed)
        add_seed(seed)
    with pool.lock:
        pool.stir()


def _copy_words(words: Slice[u32], into: Slice[u8]) -> None:
    """Take bytes from words, lowest first."""
    for index in range(into.length):
        into[index] = u8.truncate(words[index >> 2] >> u32((index & 3) * 8))
