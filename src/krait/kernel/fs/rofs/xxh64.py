"""XXH64 of memory, by which an image's pages are checked.

Four multiplications, additions and rotations for each 32 bytes: about 3,000 instructions a page. A
CRC by the `crc32` instruction needs fewer on a processor, but an emulator works it out bit by bit,
and takes ten times as long for a page. Seed 0.

Source: the xxHash specification, "XXH64 algorithm description" (Yann Collet, version 0.1.1).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Packed, Slice, size_of, static_assert, u8, u32, u64, view

PRIME_1: Final = 0x9E3779B185EBCA87
PRIME_2: Final = 0xC2B2AE3D27D4EB4F
PRIME_3: Final = 0x165667B19E3779F9
PRIME_4: Final = 0x85EBCA77C2B2AE63
PRIME_5: Final = 0x27D4EB2F165667C5
MASK: Final = 0xFFFF_FFFF_FFFF_FFFF


class Stripe(Packed):
    """What goes into the four lanes at once."""

    first: u64
    second: u64
    third: u64
    fourth: u64


class Word(Packed):
    """What is taken behind the last stripe."""

    value: u64


class HalfWord(Packed):
    """What is taken behind the last word."""

    value: u32


STRIPE: Final = 32
static_assert(size_of(Stripe) == STRIPE)


def xxh64(data: Slice[u8]) -> u64:
    """Return the hash of a slice."""
    length = data.length
    at: u64 = 0
    value: u64 = PRIME_5
    if length >= STRIPE:
        first: u64 = (PRIME_1 + PRIME_2) & MASK
        second: u64 = PRIME_2
        third: u64 = 0
        fourth: u64 = -PRIME_1 & MASK
        while length - at >= STRIPE:
            stripe = view(Stripe, data, at)
            first = mixed(first, stripe.first)
            second = mixed(second, stripe.second)
            third = mixed(third, stripe.third)
            fourth = mixed(fourth, stripe.fourth)
            at += STRIPE
        value = rotated(first, 1).wrapping_add(rotated(second, 7))
        value = value.wrapping_add(rotated(third, 12)).wrapping_add(rotated(fourth, 18))
        value = merged(merged(value, first), second)
        value = merged(merged(value, third), fourth)
    return finished(data, at, value.wrapping_add(length))


def finished(data: Slice[u8], start: u64, before: u64) -> u64:
    """Take what is left behind the stripes, and mix the bits once more."""
    value = before
    at = start
    while data.length - at >= 8:
        value ^= mixed(u64(0), view(Word, data, at).value)
        value = rotated(value, 27).wrapping_mul(PRIME_1).wrapping_add(PRIME_4)
        at += 8
    if data.length - at >= 4:
        value ^= u64(view(HalfWord, data, at).value).wrapping_mul(PRIME_1)
        value = rotated(value, 23).wrapping_mul(PRIME_2).wrapping_add(PRIME_3)
        at += 4
    while at < data.length:
        value ^= u64(data[at]).wrapping_mul(PRIME_5)
        value = rotated(value, 11).wrapping_mul(PRIME_1)
        at += 1
    value = (value ^ value >> 33).wrapping_mul(PRIME_2)
    value = (value ^ value >> 29).wrapping_mul(PRIME_3)
    return value ^ value >> 32


def mixed(lane: u64, word: u64) -> u64:
    """Take a word into a lane."""
    return rotated(lane.wrapping_add(word.wrapping_mul(PRIME_2)), 31).wrapping_mul(PRIME_1)


def merged(value: u64, lane: u64) -> u64:
    """Take a lane into the result."""
    return (value ^ mixed(u64(0), lane)).wrapping_mul(PRIME_1).wrapping_add(PRIME_4)


def rotated(value: u64, count: u32) -> u64:
    """Rotate to the left; `count` is from 1 to 63."""
    return value.wrapping_shl(count) | value >> 64 - count


def page_checksum(data: Slice[u8]) -> u32:
    """Return what an image holds for a page: the low half of its hash."""
    return u32.truncate(xxh64(data))
