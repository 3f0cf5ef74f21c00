"""Shells that stay in their built-ins, and perl."""

from __future__ import annotations

import pytest

from tests.comparison import Comparison

DEATH = "kill -TERM $$"
BASH = [
    "echo $((6 * 7)) ${BASH_VERSINFO[0]}; exit 3",
    "for i in 1 2 3; do printf '%s,' $i; done; echo",
    "x=(a b c); echo ${#x[@]} ${x[-1]}; declare -A m; m[k]=v; echo ${m[k]}",
    'while read -r line; do echo "<$line>"; done',
    "trap 'echo bye' EXIT; echo hi",
    "trap 'echo caught; exit 5' USR1; kill -USR1 $$; echo not here",
    DEATH,
    "[[ abc =~ ^a(.)c$ ]] && echo ${BASH_REMATCH[1]}",
    "cd /etc && pwd && test -r passwd && echo readable",
    "echo out; echo err >&2; exec 3>/tmp/krait-bash; echo x >&3; read y </tmp/krait-bash; echo $y",
    "printf -v t '%(%Y)T' 0; echo $t; echo $0 $#",
    "set -e; false; echo unreachable",
    "nonexistent_function",
]
PERL = [
    "print join(',', map { $_ ** 2 } 1..10), qq(\\n)",
    "my %h = map { $_ => length } qw(a bb ccc); print qq($_=$h{$_}\\n) for sort keys %h",
    "use POSIX; print floor(3.7), q( ), strftime('%F', gmtime(0)), qq(\\n)",
    "use List::Util qw(sum max); print sum(1..100), q( ), max(3, 9, 2), qq(\\n)",
    "print while <STDIN>",
    "die qq(oops\\n)",
    "use Data::Dumper; $Data::Dumper::Sortkeys = 1; print Dumper({ a => [1, 2], b => undef })",
    "open my $f, '>', '/tmp/krait-perl' or die; print $f qq(x\\n) x 3; close $f; print -s '/tmp/krait-perl'",
    "local $SIG{ALRM} = sub { print qq(alarm\\n); exit 4 }; alarm 1; select undef, undef, undef, 5",
    "print sprintf('%.10f', atan2(1, 1) * 4), qq(\\n)",
    "use Digest::SHA qw(sha1_hex); print sha1_hex('krait'), qq(\\n)",
]
STDIN = b"one\ntwo three\n\\four\n"


@pytest.mark.parametrize("script", BASH)
def test_bash(same_as_host: Comparison, script: str) -> None:
    """Built-ins need no second process."""
    same_as_host("bash", "-c", script, stdin=STDIN, ignore_errors=script == DEATH)


@pytest.mark.parametrize("script", PERL)
def test_perl(same_as_host: Comparison, script: str) -> None:
    """Perl with modules of its standard library."""
    same_as_host("perl", "-e", script, stdin=STDIN)


@pytest.mark.parametrize(
    "applet",
    [
        ["echo", "hello"],
        ["ls", "/etc/ssl"],
        ["cat"],
        ["wc", "/etc/services"],
        ["sh", "-c", "echo $((1 + 2)); exit 9"],
        ["sha1sum", "/etc/services"],
        ["awk", "BEGIN { print 2 ^ 10 }"],
        ["vi-is-no-applet"],
    ],
    ids=" ".join,
)
def test_busybox(same_as_host: Comparison, applet: list[str]) -> None:
    """One static binary, many programs."""
    same_as_host("busybox", *applet, stdin=STDIN)
