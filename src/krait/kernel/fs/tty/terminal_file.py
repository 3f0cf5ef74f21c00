"""The open terminal: read, write, poll and the ioctls of ioctl_tty(2)."""

from __future__ import annotations

from typing import Final

from krait.kernel.drivers import console
from krait.kernel.drivers.standard_input import standard_input
from krait.kernel.errno import EINVAL, ENOTTY, EPERM, ESPIPE
from krait.kernel.fs.async_notices import AsyncNotices
from krait.kernel.fs.file import READABLE, WRITABLE, File
from krait.kernel.fs.poll import POLLHUP, PollTable
from krait.kernel.fs.tty import ioctls
from krait.kernel.fs.tty.line_discipline import LineDiscipline
from krait.kernel.fs.tty.terminal import terminal
from krait.kernel.fs.tty.termios import (
    FIRST_SPEED,
    VMIN,
    VTIME,
    Input,
    Termios,
    Termios2,
    WindowSize,
)
from krait.kernel.lang import (
    Array,
    Errno,
    UserPointer,
    UserSlice,
    i32,
    i64,
    inline,
    u8,
    u16,
    u32,
    u64,
    usize,
)
from krait.kernel.protocol.console_frames import Console

SIGWINCH: Final = 28
INPUT_ROOM: Final = 1024
OUTPUT_CHUNK: Final = 64
PROCESSED_ROOM: Final = 512  # OUTPUT_CHUNK bytes, all tabs


class TerminalFile(File):
    """An open terminal; `console` is where its output goes."""

    console: Console

    def read(self, into: UserSlice[u8]) -> usize:
        """Read a line, or bytes in raw mode."""
        if into.length == 0:
            return u64(0)
        room: Array[u8] = inline(INPUT_ROOM)
        part = room.part(u64(0), min(into.length, u64(INPUT_ROOM)))
        count = terminal.read(part, nonblocking=self.is_nonblocking)
        into.part(u64(0), count).copy_out(part.part(u64(0), count))
        done = count
        while count == INPUT_ROOM and done < into.length:
            count = terminal.take_rest(room.part(u64(0), min(into.length - done, count)))
            into.part(done, done + count).copy_out(room.part(u64(0), count))
            done += count
        return done

    def write(self, data: UserSlice[u8]) -> usize:
        """Write with output processing."""
        terminal.discipline.start()
        chunk: Array[u8] = inline(OUTPUT_CHUNK)
        processed: Array[u8] = inline(PROCESSED_ROOM)
        done: u64 = 0
        while done < data.length:
            count = min(data.length - done, u64(OUTPUT_CHUNK))
            part = chunk.part(u64(0), count)
            try:
                terminal.wait_until_started(nonblocking=self.is_nonblocking)
                console.await_room(self.console, nonblocking=self.is_nonblocking)
                data.part(done, done + count).copy_in(part)
            except Errno:
                if done == 0:
                    raise
                break
            with terminal.lock:
                length = terminal.discipline.process_output(part, processed)
            console.write(self.console, processed.part(u64(0), length))
            done += count
        if terminal.started:
            terminal.flush_echo()
        return done

    def seek(self, offset: i64, whence: u32) -> u64:
        """Refuse."""
        raise Errno(ESPIPE)

    def poll(self, table: PollTable | None) -> u32:
        """Tell whether a read or a write would not wait."""
        terminal.start()
        device = console.get(self.console)
        if table is not None:
            table.add(standard_input.arrival())
            if device is not None:
                table.add(device.drained)
        discipline = terminal.discipline
        events: u32 = 0
        with terminal.lock:
            terminal.pump()
            least: u64 = (
                1  # with a limit of time a read gives what there is (n_tty, input_available_p)
            )
            if discipline.characters[VTIME] == 0:
                least = u64(discipline.characters[VMIN])
            if discipline.readable(least):
                events |= READABLE
            if not discipline.stopped:
                events |= WRITABLE
            if standard_input.is_readable() and standard_input.ended:
                events |= READABLE | POLLHUP
        terminal.flush_echo()
        if device is not None and not device.has_room():
            events &= ~WRITABLE
        return events

    def async_notices(self, index: u32) -> AsyncNotices | None:
        """Return the terminal's list; input comes from now on."""
        if index != 0:
            return None
        terminal.start()
        if terminal.notices is None:
            terminal.notices = AsyncNotices()
        return terminal.notices

    def control(self, command: u32, argument: u64) -> i64:
        """Do what an ioctl asks."""
        discipline = terminal.discipline
        discipline.start()
        match command:
            case ioctls.TCGETS | ioctls.TCGETS2:
                self.get_settings(discipline, argument, wide=command == ioctls.TCGETS2)
            case ioctls.TCSETS | ioctls.TCSETSW | ioctls.TCSETSF:
                self.set_settings(discipline, argument, flush=command == ioctls.TCSETSF)
            case ioctls.TCSETS2 | ioctls.TCSETSW2 | ioctls.TCSETSF2:
                self.set_settings(discipline, argument, flush=command == ioctls.TCSETSF2)
            case ioctls.TIOCGWINSZ:
                size = WindowSize(
                    rows=terminal.rows,
                    columns=terminal.columns,
                    width_pixels=u16(0),
                    height_pixels=u16(0),
                )
                UserPointer[WindowSize](argument).copy_out(size)
            case ioctls.TIOCSWINSZ:
                self.set_window(argument)
            case ioctls.TIOCGPGRP:
                UserPointer[i32](argument).store(i32(terminal.group))
            case ioctls.TIOCSPGRP:
                group = UserPointer[i32](argument).load()
                if group < 0:
                    raise Errno(EINVAL)
                terminal.group = u32(group)
            case ioctls.TIOCGSID:
                UserPointer[i32](argument).store(i32(terminal.session))
            case ioctls.FIONREAD:
                terminal.start()
                with terminal.lock:
                    terminal.pump()
                    waiting = discipline.waiting()
                UserPointer[i32](argument).store(i32(waiting))
            case ioctls.TIOCOUTQ | ioctls.TIOCGETD:
                UserPointer[i32](argument).store(i32(0))
            case ioctls.TCFLSH:
                self.flush(discipline, argument)
            case ioctls.TCXONC:
                self.set_flow(discipline, argument)
            case (
                ioctls.TCSBRK
                | ioctls.TCSBRKP
                | ioctls.TIOCEXCL
                | ioctls.TIOCNXCL
                | ioctls.TIOCSCTTY
                | ioctls.TIOCNOTTY
            ):
                pass
            case ioctls.TIOCSTI:
                raise Errno(EPERM)
            case _:
                raise Errno(ENOTTY)
        return i64(0)

    def get_settings(self, discipline: LineDiscipline, argument: u64, *, wide: bool) -> None:
        """TCGETS and TCGETS2."""
        settings = Termios2(
            input_flags=discipline.input_flags,
            output_flags=discipline.output_flags,
            control_flags=discipline.control_flags,
            local_flags=discipline.local_flags,
            line=u8(0),
            input_speed=u32(FIRST_SPEED),
            output_speed=u32(FIRST_SPEED),
        )
        settings.characters.copy_from(discipline.characters)
        if wide:
            UserPointer[Termios2](argument).copy_out(settings)
            return
        narrow = Termios(
            input_flags=discipline.input_flags,
            output_flags=discipline.output_flags,
            control_flags=discipline.control_flags,
            local_flags=discipline.local_flags,
            line=u8(0),
        )
        narrow.characters.copy_from(discipline.characters)
        UserPointer[Termios](argument).copy_out(narrow)

    def set_settings(self, discipline: LineDiscipline, argument: u64, *, flush: bool) -> None:
        """TCSETS and its relatives: the speeds that the wide form adds mean nothing here."""
        settings = Termios(
            input_flags=u32(0),
            output_flags=u32(0),
            control_flags=u32(0),
            local_flags=u32(0),
            line=u8(0),
        )
        UserPointer[Termios](argument).copy_in(settings)
        terminal.start()
        with terminal.lock:
            terminal.pump()
            was_canonical = discipline.is_canonical
            if discipline.has_input(Input.IXON) and settings.input_flags & u32(Input.IXON) == 0:
                discipline.stopped = False
            discipline.input_flags = settings.input_flags
            discipline.output_flags = settings.output_flags
            discipline.control_flags = settings.control_flags
            discipline.local_flags = settings.local_flags
            discipline.characters.copy_from(settings.characters)
            if flush:
                discipline.flush_input()
            discipline.mode_changed(was_canonical)
        terminal.changed()

    def set_window(self, argument: u64) -> None:
        """TIOCSWINSZ: tells the foreground group when the size is another."""
        size = WindowSize(rows=u16(0), columns=u16(0), width_pixels=u16(0), height_pixels=u16(0))
        UserPointer[WindowSize](argument).copy_in(size)
        if size.rows == terminal.rows and size.columns == terminal.columns:
            return
        terminal.set_window_size(size.rows, size.columns)
        send = terminal.send_signal
        if send is not None:
            send(u32(SIGWINCH))

    def flush(self, discipline: LineDiscipline, argument: u64) -> None:
        """TCFLSH: 0 input, 1 output, 2 both."""
        if argument > 2:
            raise Errno(EINVAL)
        with terminal.lock:
            if argument != 1:
                discipline.flush_input()
            if argument != 0:
                discipline.echo_tail = discipline.echo_head

    def set_flow(self, discipline: LineDiscipline, argument: u64) -> None:
        """TCXONC: 0 stops output, 1 starts it; 2 and 3 would send STOP and START."""
        if argument > 3:
            raise Errno(EINVAL)
        if argument < 2:
            discipline.stopped = argument == 0
            terminal.changed()
