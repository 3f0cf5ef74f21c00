"""The coreutils and their friends."""

from __future__ import annotations

import pytest

from tests.comparison import Comparison

COMMANDS = [
    ["true"],
    ["false"],
    ["echo", "hello", "a  b", "tab\there"],
    ["cat", "/etc/os-release", "/etc/debian_version"],
    ["cat", "/etc/os-release", "/nonexistent"],
    ["ls", "-l", "/etc/os-release", "/etc/debian_version"],
    ["ls", "-ln", "/usr/lib/os-release"],
    ["ls", "/nonexistent"],
    ["env"],
    ["seq", "1", "3", "3000"],
    ["seq", "-w", "8", "12"],
    ["printf", "%s-%05d-%x\\n", "word", "42", "255"],
    ["wc", "/etc/services", "/etc/protocols"],
    ["head", "-n", "5", "/etc/services"],
    ["tail", "-n", "5", "/etc/services"],
    ["tail", "-c", "100", "/etc/services"],
    ["sort", "-r", "/etc/services"],
    ["sort", "-k2", "-n", "/etc/protocols"],
    ["sha256sum", "/etc/services", "/bin/ls"],
    ["dd", "if=/etc/services", "bs=512", "count=3", "skip=1", "status=none"],
    ["dd", "if=/dev/zero", "of=/tmp/krait-test-zeros", "bs=1M", "count=3", "status=none"],
    ["find", "/etc/ssl", "-maxdepth", "1"],
    ["find", "/etc/pam.d", "-type", "f", "-name", "c*"],
    ["grep", "-r", "root", "/etc/pam.d"],
    ["grep", "-c", "tcp", "/etc/services"],
    ["grep", "nothing-like-this", "/etc/services"],
    ["sed", "-n", "s/tcp/TCP/p", "/etc/services"],
    ["mawk", "{ count[$2]++ } END { for (k in count) n++; print n, NR }", "/etc/services"],
    ["date", "-u", "-d", "@86400", "+%F %T"],
    ["stat", "-c", "%n %s %a %F %Y", "/etc/services", "/bin", "/etc/pam.d"],
    ["readlink", "-f", "/bin/sh"],
    ["readlink", "/etc/os-release"],
    ["od", "-A", "x", "-t", "x1z", "-N", "64", "/etc/services"],
    ["cut", "-d:", "-f1,3", "/etc/passwd"],
    ["tr", "a-z", "A-Z"],
    ["cat"],
    ["cat", "-n"],
    ["wc", "-l"],
    ["sort", "-u"],
    ["tac"],
    ["rev"],
    ["uniq", "-c"],
    ["base64"],
    ["md5sum"],
    ["tee", "/tmp/krait-test-tee"],
    ["basename", "/usr/bin/env"],
    ["dirname", "/usr/bin/env"],
    ["expr", "6", "*", "7"],
    ["test", "-d", "/etc"],
    ["test", "-f", "/etc"],
    ["factor", "1234567890"],
    ["id", "-u"],
    ["sleep", "0.01"],
    ["nproc", "--ignore=100"],
    ["mkdir", "-p", "/tmp/krait-test-a/b/c"],
    ["touch", "/tmp/krait-test-touched"],
    ["cmp", "/etc/services", "/etc/protocols"],
    ["comm", "-12", "/etc/services", "/etc/services"],
    ["nl", "/etc/os-release"],
    ["fold", "-w", "20", "/etc/os-release"],
    ["uname", "-s", "-m", "-o"],
    ["pwd"],
]
STDIN = b"the quick\nbrown fox\nbrown fox\njumps over\nthe lazy dog\n"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_command(same_as_host: Comparison, command: list[str]) -> None:
    """Output, errors and status are the host's."""
    same_as_host(*command, stdin=STDIN, any_order=command[0] in ("find", "grep"))


def test_uname_names_the_kernel(same_as_host: Comparison) -> None:
    """`uname` shows Krait's own release, which the host's cannot equal."""
    from tests.comparison import ENVIRONMENT, run_in_guest

    found = run_in_guest(["uname", "-a"], b"", ENVIRONMENT)
    assert found.status == 0
    assert found.output.startswith(b"Linux ")
    assert b"Krait" in found.output
    assert b"x86_64" in found.output


def test_date_agrees_with_the_host() -> None:
    """The wall clock is the host's, to a second or two."""
    import time

    from tests.comparison import ENVIRONMENT, run_in_guest

    before = time.time()
    found = run_in_guest(["date", "+%s"], b"", ENVIRONMENT)
    assert before - 2 <= int(found.output) <= time.time() + 2
