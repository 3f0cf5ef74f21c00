"""The switches of `krait run`: a table, a parser for it, and the help text made from it."""

from __future__ import annotations

from krait.errors import UserError

FLAG, VALUE, LIST, OPTIONAL = "flag", "value", "list", "optional"

# names, key, kind, what the value is called, explanation
OPTIONS: tuple[tuple[tuple[str, ...], str, str, str, str], ...] = (
    (("-m", "--memory"), "memory", VALUE, "MEM", "memory of the machine: 64M, 2G (default 512M)"),
    (("-c", "--cpus"), "cpus", VALUE, "CPUS", "number of CPUs (default 1)"),
    (("-e", "--env"), "env", LIST, "NAME=VALUE", "set an environment variable of the program"),
    (("-v", "--volume"), "volumes", LIST, "HOST:GUEST", "copy a host directory into the image"),
    (("--app",), "app", VALUE, "APP", "run a ready-made image: a name of krait apps, or a folder"),
    (("--trace-files",), "trace_files", FLAG, "", "add what PROGRAM opens in one run on the host"),
    (("--trace-again",), "trace_again", FLAG, "", "run it there again, add what it opens now"),
    (("--workdir",), "workdir", VALUE, "D", "directory that the program starts in"),
    (("--name",), "name", VALUE, "NAME", "what krait ps and the like call the machine"),
    (("--timeout",), "timeout", VALUE, "SECONDS", "end the machine after so long, status 124"),
    (("--arch",), "arch", VALUE, "A", "architecture of the machine: x86_64"),
    (("--vmm",), "vmm", VALUE, "V", "virtual machine monitor: qemu"),
    (("--machine",), "machine", VALUE, "M", "board: microvm (default), q35, pc"),
    (("--accel",), "accel", VALUE, "A", "accelerator: tcg, kvm, auto (default; measured once)"),
    (("--root",), "root", VALUE, "R", "where the image is: initrd, disk, auto (default; by size)"),
    (("--kernel",), "kernel", VALUE, "FILE", "boot this kernel instead of the cached one"),
    (("--least",), "least", FLAG, "", "boot the least kernel (krait build --least)"),
    (("--debug",), "debug", FLAG, "", "boot a kernel compiled for debuggers (krait build --debug)"),
    (("--image",), "image", VALUE, "FILE", "use this image; PROGRAM is a path in it"),
    (("--kernel-args",), "kernel_args", VALUE, "S", "words to add to the kernel command line"),
    (("--bootchart",), "bootchart", FLAG, "", "print the phases of the boot"),
    (("--strace",), "strace", FLAG, "", "print the program's system calls"),
    (("--profile",), "profile", OPTIONAL, "FILE", "draw a flame graph; .folded writes text"),
    (("--dry-run",), "dry_run", FLAG, "", "print the monitor's command and run nothing"),
    (("--json",), "json", FLAG, "", "capture the output and print one JSON object"),
    (("-h", "--help"), "help", FLAG, "", "print this text"),
)

_BY_NAME = {name: option for option in OPTIONS for name in option[0]}

USAGE = "krait run [OPTIONS] [--] PROGRAM [ARGUMENTS]"

_EXAMPLES = """\
Examples:
  krait run -- python3 -c 'import os; print(os.uname())'
  krait run -m 64M -e GREETING=hello -- sh -c 'echo $GREETING'
  krait run -- python3                  a terminal works; Ctrl-A X ends the machine
  krait run -v ./data:/data --workdir /data -- ls -l
  krait run --app ruby                  a ready-made image; krait run apps/ruby is the same
  krait run --trace-files -- ./server   what it opens on the host goes into the image
  krait run --strace -- cat /etc/hostname
  krait run --bootchart -- true
  krait run --profile=out.svg -- python3 work.py
  krait run --json -- uname -a | jq .status

The program's exit status is that of krait run; a signal N gives 128+N, a time limit 124, a failure
of Krait 125, a program that cannot be executed 126, one that is not found 127."""


def parse(arguments: list[str]) -> tuple[dict[str, object], list[str]]:
    """The switches by key, and the program with its arguments."""
    chosen: dict[str, object] = {}
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        if argument == "--":
            position += 1
            break
        if not argument.startswith("-") or argument == "-":
            break
        position += 1
        name, value = _split(argument)
        option = _BY_NAME.get(name)
        if option is None:
            raise _unknown(name)
        _, key, kind, metavar, _ = option
        if kind == FLAG:
            if value is not None:
                raise _usage(f"option {name} takes no value")
            chosen[key] = True
            continue
        if kind == OPTIONAL:
            chosen[key] = value if value is not None else ""
            continue
        if value is None:
            if position == len(arguments):
                raise _usage(f"option {name} needs a value ({metavar})")
            value = arguments[position]
            position += 1
        if kind == LIST:
            listed = chosen.setdefault(key, [])
            assert isinstance(listed, list)
            listed.append(value)
        else:
            chosen[key] = value
    return chosen, arguments[position:]


def help_text() -> str:
    """What `krait run --help` prints."""
    lines = [f"Usage: {USAGE}", "", "Run an unmodified Linux program in a virtual machine.", ""]
    lines.append("Options:")
    for names, _, kind, metavar, explanation in OPTIONS:
        spelled = ", ".join(names) + {FLAG: "", OPTIONAL: f"[={metavar}]"}.get(kind, f" {metavar}")
        lines.append(f"  {spelled:<26} {explanation}")
    return "\n".join([*lines, "", _EXAMPLES])


def _split(argument: str) -> tuple[str, str | None]:
    """The name of a switch and the value that is attached to it."""
    if argument.startswith("--"):
        name, found, value = argument.partition("=")
        return name, value if found else None
    return argument[:2], argument[2:].removeprefix("=") or None


def _unknown(name: str) -> UserError:
    import difflib

    near = difflib.get_close_matches(name, list(_BY_NAME), 1)
    hint = f"; did you mean {near[0]}?" if near else "; see: krait run --help"
    return UserError(f"run: unknown option {name}{hint}")


def _usage(message: str) -> UserError:
    return UserError(f"run: {message}; see: krait run --help")
