"""The line discipline: from key strokes to what a program reads (termios(3); Linux's n_tty).

Bytes come in by `receive` and wait in a ring. In canonical mode they form a line that can be edited
until a line feed, EOF or EOL ends it; a read gets one line at most. In raw mode every byte can be
read at once. What is to be echoed, and what a program writes after output processing, is put into
`echo` or by `process_output` into the caller's buffer; this module knows no device, and nothing
here sleeps or allocates, so that `receive` may run in an interrupt handler.

Positions only grow; the ring's index is a position modulo its size:

    tail      next byte to read
    complete  end of what canonical reads may take
    head      end of everything, the line being edited included
"""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.tty.termios import (
    CHARACTERS,
    FIRST_CHARACTERS,
    FIRST_CONTROL,
    FIRST_INPUT,
    FIRST_LOCAL,
    FIRST_OUTPUT,
    VEOF,
    VEOL,
    VEOL2,
    VERASE,
    VINTR,
    VKILL,
    VLNEXT,
    VQUIT,
    VREPRINT,
    VSTART,
    VSTOP,
    VSUSP,
    VWERASE,
    Input,
    Local,
    Output,
)
from krait.kernel.lang import Array, Slice, Struct, Text, inline, text, u8, u32, u64

RING: Final = 4096  # N_TTY_BUF_SIZE
ECHO_RING: Final = 1024
DISABLED: Final = 0  # _POSIX_VDISABLE on Linux
LINE_FEED: Final = 0x0A
RETURN: Final = 0x0D
TAB: Final = 0x09
BACKSPACE: Final = 0x08
SPACE: Final = 0x20
DELETE: Final = 0x7F
TAB_STOP: Final = 8

SIGINT: Final = 2
SIGQUIT: Final = 3
SIGTSTP: Final = 20


class LineDiscipline(Struct):
    """Settings, input and pending echo of one terminal."""

    input_flags: u32 = FIRST_INPUT
    output_flags: u32 = FIRST_OUTPUT
    control_flags: u32 = FIRST_CONTROL
    local_flags: u32 = FIRST_LOCAL
    characters: Array[u8] = inline(CHARACTERS)
    ring: Array[u8] = inline(RING)
    ends: Array[u64] = inline(64)  # a bit for each byte of the ring: it ends a line
    tail: u64 = 0
    complete: u64 = 0
    head: u64 = 0
    echo: Array[u8] = inline(ECHO_RING)
    echo_tail: u64 = 0
    echo_head: u64 = 0
    column: u64 = 0
    lines: u64 = 0  # so many have ended, for who counts them
    literal_next: bool = False
    stopped: bool = False
    started: bool = False

    def start(self) -> None:
        """Take the first settings."""
        if not self.started:
            self.characters.copy_from(text(FIRST_CHARACTERS))
            self.started = True

    @property
    def is_canonical(self) -> bool:
        """Tell whether input comes by lines."""
        return self.local_flags & u32(Local.ICANON) != 0

    # --- input ---

    def receive(self, byte: u8) -> u32:
        """Take one byte from the device; return the signal that it sends, 0 for none."""
        c = byte
        if self.has_input(Input.ISTRIP):
            c &= 0x7F
        if self.literal_next:
            self.literal_next = False
            self.append(c, ends_line=False)
            return u32(0)
        if self.has_input(Input.IXON) and self.control_flow(c):
            return u32(0)
        if self.has_local(Local.ISIG):
            signal = self.signal_of(c)
            if signal != 0:
                self.interrupt(c)
                return signal
        if c == RETURN:
            if self.has_input(Input.IGNCR):
                return u32(0)
            if self.has_input(Input.ICRNL):
                c = u8(LINE_FEED)
        elif c == LINE_FEED and self.has_input(Input.INLCR):
            c = u8(RETURN)
        if self.is_canonical:
            self.edit(c)
        else:
            self.append(c, ends_line=False)
            self.complete = self.head
        return u32(0)

    def control_flow(self, c: u8) -> bool:
        """Stop and start output (IXON); True when the byte was for that."""
        if self.is_character(c, VSTOP):
            self.stopped = True
            return True
        if self.is_character(c, VSTART):
            self.stopped = False
            return True
        if self.stopped and self.has_input(Input.IXANY):
            self.stopped = False
        return False

    def signal_of(self, c: u8) -> u32:
        """Return the signal that a byte stands for."""
        if self.is_character(c, VINTR):
            return u32(SIGINT)
        if self.is_character(c, VQUIT):
            return u32(SIGQUIT)
        if self.is_character(c, VSUSP):
            return u32(SIGTSTP)
        return u32(0)

    def interrupt(self, c: u8) -> None:
        """Drop what waits, as a signal from the keyboard does, and show the key."""
        if not self.has_local(Local.NOFLSH):
            self.flush_input()
            self.echo_tail = self.echo_head
        self.stopped = False
        if self.has_local(Local.ECHO):
            self.echo_character(c)

    def edit(self, c: u8) -> None:
        """Take a byte in canonical mode."""
        extended = self.has_local(Local.IEXTEN)
        if self.is_character(c, VERASE):
            self.erase_character()
        elif extended and self.is_character(c, VWERASE):
            self.erase_word()
        elif self.is_character(c, VKILL):
            self.erase_line()
        elif extended and self.is_character(c, VLNEXT):
            self.literal_next = True
            if self.has_local(Local.ECHO) and self.has_local(Local.ECHOCTL):
                self.put_echo(u8(0x5E))
                self.put_echo(u8(BACKSPACE))
        elif extended and self.is_character(c, VREPRINT):
            self.reprint()
        elif self.is_character(c, VEOF):
            self.end_of_file()
        elif c == LINE_FEED or self.ends_line(c, extended=extended):
            if c == LINE_FEED and not self.has_local(Local.ECHO):
                if self.has_local(Local.ECHONL):
                    self.put_echo(c)
            self.append(c, ends_line=True)
        else:
            self.append(c, ends_line=False)

    def ends_line(self, c: u8, *, extended: bool) -> bool:
        """Tell whether a byte ends a line besides line feed."""
        if self.is_character(c, VEOL):
            return True
        return extended and self.is_character(c, VEOL2)

    def append(self, c: u8, *, ends_line: bool) -> None:
        """Put a byte at the end, and echo it; a full ring keeps room for the end of a line."""
        used = self.head - self.tail
        if used >= RING or (used == RING - 1 and not ends_line):
            if self.has_input(Input.IMAXBEL):
                self.put_echo(u8(0x07))
            return
        self.ring[self.head % RING] = c
        self.set_end(self.head, ends_line)
        self.head += 1
        if ends_line:
            self.complete = self.head
            self.lines += 1
        if self.has_local(Local.ECHO):
            if c == LINE_FEED:
                self.put_echo(c)
            else:
                self.echo_character(c)

    def end_of_file(self) -> None:
        """End the line without a byte: an empty line reads as end of file."""
        if self.head - self.tail < RING:
            self.ring[self.head % RING] = u8(DISABLED)
            self.set_end(self.head, True)
            self.head += 1
            self.complete = self.head
            self.lines += 1

    def erase_character(self) -> None:
        """Take back one character; with IUTF8 all of its bytes."""
        if self.head == self.complete:
            return
        self.head -= 1
        last = self.ring[self.head % RING]
        if self.has_input(Input.IUTF8):
            while last & 0xC0 == 0x80 and self.head != self.complete:
                self.head -= 1
                last = self.ring[self.head % RING]
        if self.has_local(Local.ECHO):
            if self.has_local(Local.ECHOE):
                self.rub_out(last)
            else:
                self.echo_character(self.characters[VERASE])

    def erase_word(self) -> None:
        """Take back blanks and the word before them."""
        while self.head != self.complete and is_blank(self.ring[(self.head - 1) % RING]):
            self.erase_character()
        while self.head != self.complete and not is_blank(self.ring[(self.head - 1) % RING]):
            self.erase_character()

    def erase_line(self) -> None:
        """Take back the line."""
        if self.has_local(Local.ECHOKE) and self.has_local(Local.ECHOE):
            while self.head != self.complete:
                self.erase_character()
            return
        self.head = self.complete
        if self.has_local(Local.ECHO):
            self.echo_character(self.characters[VKILL])
            if self.has_local(Local.ECHOK):
                self.put_echo(u8(LINE_FEED))

    def reprint(self) -> None:
        """Show the line once more."""
        if not self.has_local(Local.ECHO):
            return
        self.echo_character(self.characters[VREPRINT])
        self.put_echo(u8(LINE_FEED))
        at = self.complete
        while at != self.head:
            self.echo_character(self.ring[at % RING])
            at += 1

    def rub_out(self, last: u8) -> None:
        """Remove a character from the screen."""
        columns: u64 = 1
        if last == TAB:
            columns = self.tab_width()
        elif is_control(last):
            columns = 2 if self.has_local(Local.ECHOCTL) else 0
        for _index in range(columns):
            self.put_echo(u8(BACKSPACE))
            if last != TAB:
                self.put_echo(u8(SPACE))
                self.put_echo(u8(BACKSPACE))

    def tab_width(self) -> u64:
        """Return how many columns the tab took that has just been removed from the line."""
        column: u64 = 0
        at = self.complete
        while at != self.head:
            c = self.ring[at % RING]
            if c == TAB:
                column += TAB_STOP - column % TAB_STOP
            elif is_control(c):
                column += 2
            elif c & 0xC0 != 0x80:
                column += 1
            at += 1
        return TAB_STOP - column % TAB_STOP

    # --- reading ---

    def readable(self, least: u64) -> bool:
        """Tell whether a read has something to return."""
        if self.is_canonical:
            return self.complete != self.tail
        return self.head - self.tail >= max(least, u64(1))

    def waiting(self) -> u64:
        """Return how many bytes a read would get at most (FIONREAD)."""
        if self.is_canonical:
            return self.complete - self.tail
        return self.head - self.tail

    def take(self, into: Slice[u8]) -> u64:
        """Move what a read gets into a buffer: a line at most in canonical mode."""
        count: u64 = 0
        canonical = self.is_canonical
        limit = self.complete if canonical else self.head
        while count < into.length and self.tail != limit:
            c = self.ring[self.tail % RING]
            ends = self.is_end(self.tail)
            self.tail += 1
            if canonical and ends and c == DISABLED:
                break
            into[count] = c
            count += 1
            if canonical and ends:
                break
        self.complete = max(self.complete, self.tail)
        self.skip_end_of_file(canonical, count, into.length)
        return count

    def skip_end_of_file(self, canonical: bool, count: u64, room: u64) -> None:
        """Drop an EOF mark right behind a line that filled the reader's buffer."""
        if not canonical or count != room or count == 0 or self.tail == self.complete:
            return
        if self.is_end(self.tail - 1):
            return
        if self.is_end(self.tail) and self.ring[self.tail % RING] == DISABLED:
            self.tail += 1

    def flush_input(self) -> None:
        """Drop everything that waits to be read."""
        self.tail = self.head
        self.complete = self.head
        self.literal_next = False

    def mode_changed(self, was_canonical: bool) -> None:
        """Sort out the ring after a switch between canonical and raw mode."""
        if was_canonical == self.is_canonical:
            return
        self.complete = self.head
        if self.is_canonical and self.head != self.tail:
            self.set_end(self.head - 1, True)

    # --- output ---

    def process_output(self, data: Text, into: Slice[u8]) -> u64:
        """Do output processing; `into` has room for eight times `data`."""
        if self.output_flags & u32(Output.OPOST) == 0:
            into.part(u64(0), data.length).copy_from(data)
            return data.length
        count: u64 = 0
        for c in data:
            count = self.put_processed(c, into, count)
        return count

    def put_processed(self, c: u8, into: Slice[u8], start: u64) -> u64:
        """Write one byte after processing; return the new end."""
        at = start
        flags = self.output_flags
        if c == LINE_FEED:
            if flags & u32(Output.ONLCR) != 0:
                into[at] = u8(RETURN)
                at += 1
            if flags & u32(Output.ONLCR | Output.ONLRET) != 0:
                self.column = 0
        elif c == RETURN:
            if flags & u32(Output.ONOCR) != 0 and self.column == 0:
                return at
            self.column = 0
            if flags & u32(Output.OCRNL) != 0:
                into[at] = u8(LINE_FEED)
                return at + 1
        elif c == TAB:
            width = TAB_STOP - self.column % TAB_STOP
            self.column += width
            if flags & u32(Output.TAB3) == u32(Output.TAB3):
                into.part(at, at + width).fill(u8(SPACE))
                return at + width
        elif c == BACKSPACE:
            if self.column != 0:
                self.column -= 1
        elif not is_control(c) and c & 0xC0 != 0x80:
            self.column += 1
        into[at] = c
        return at + 1

    def echo_character(self, c: u8) -> None:
        """Show a byte, control characters as ^X."""
        if is_control(c) and c != TAB and self.has_local(Local.ECHOCTL):
            self.put_echo(u8(0x5E))
            self.put_echo(c ^ 0x40)
        else:
            self.put_echo(c)

    def put_echo(self, c: u8) -> None:
        """Note a byte to be shown; when there are too many, the newest is lost."""
        if self.echo_head - self.echo_tail < ECHO_RING:
            self.echo[self.echo_head % ECHO_RING] = c
            self.echo_head += 1

    def take_echo(self, into: Slice[u8]) -> u64:
        """Move pending echo, processed for output, into a buffer of at least 64 bytes."""
        count: u64 = 0
        while self.echo_tail != self.echo_head and count + TAB_STOP <= into.length:
            c = self.echo[self.echo_tail % ECHO_RING]
            self.echo_tail += 1
            if self.output_flags & u32(Output.OPOST) != 0:
                count = self.put_processed(c, into, count)
            else:
                into[count] = c
                count += 1
        return count

    # --- bits ---

    def has_input(self, flag: Input) -> bool:
        """Test a bit of c_iflag."""
        return self.input_flags & u32(flag) != 0

    def has_local(self, flag: Local) -> bool:
        """Test a bit of c_lflag."""
        return self.local_flags & u32(flag) != 0

    def is_character(self, c: u8, index: u64) -> bool:
        """Tell whether a byte is the special character at an index of c_cc, unless disabled."""
        special = self.characters[index]
        return special == c and special != DISABLED

    def set_end(self, position: u64, ends: bool) -> None:
        """Note whether a byte ends a line."""
        index = position % RING
        bit = u64(1) << (index & 63)
        word = self.ends[index >> 6] & ~bit
        self.ends[index >> 6] = word | bit if ends else word

    def is_end(self, position: u64) -> bool:
        """Tell whether a byte ends a line."""
        index = position % RING
        return self.ends[index >> 6] & (u64(1) << (index & 63)) != 0


def is_control(c: u8) -> bool:
    """Tell whether a byte is an ASCII control character."""
    return c < SPACE or c == DELETE


def is_blank(c: u8) -> bool:
    """Tell whether a byte is no part of a word: as Linux, anything but letters, digits and _."""
    if c >= 0x80 or c == 0x5F:
        return False
    return not (0x30 <= c <= 0x39 or 0x41 <= c <= 0x5A or 0x61 <= c <= 0x7A)
