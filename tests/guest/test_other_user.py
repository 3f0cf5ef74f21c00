"""Krait in the hands of a user who is not root, is in no password file, and is in many groups.

A copy of the checkout, a home and some files belong to that user. Each command is run by that user
on the host and by its `krait run`: what is readable, and what is refused, must be the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from krait.kernels import find_kernel
from tests.conftest import ROOT

USER = 61500
GROUPS = [USER, *range(70040, 70000, -1)]
GROUP_OF_FILES = 70007
LIMIT_S = 120

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can become another user, and setpriv(1) does it",
)


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    output: str
    errors: str


class OtherUser:
    """A user with a folder of its own, which holds all that it needs."""

    def __init__(self, folder: Path) -> None:
        """Copy the checkout and the kernel, make the files."""
        self.folder = folder
        self.launcher = str(folder / "checkout" / "krait")
        folder.chmod(0o755)
        (folder / "checkout").mkdir()
        for name in ("krait", "requirements.lock"):
            shutil.copy(ROOT / name, folder / "checkout")
        no_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "src", folder / "checkout" / "src", ignore=no_caches)
        shutil.copy(find_kernel("default").path, folder / "kernel.elf")
        (folder / "home").mkdir()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, USER, USER)
        self.make_files(folder / "files")

    def make_files(self, files: Path) -> None:
        """Make files that are of use to the user, to one of its groups, to root alone."""
        for name, mode, owner, group in (
            ("own", 0o600, USER, USER),
            ("shared", 0o640, 0, GROUP_OF_FILES),
            ("for-nobody", 0o004, USER, USER),
            ("secret", 0o600, 0, 0),
            ("empty-secret", 0o200, 0, 0),
            ("closed/inside", 0o644, 0, 0),
        ):
            path = files / name
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text("" if "empty" in name else f"{name}\n" * 2000)
            path.chmod(mode)
            os.chown(path, owner, group)
        (files / "closed").chmod(0o700)
        shutil.copy("/bin/echo", files / "unreadable-program")
        (files / "unreadable-program").chmod(0o711)

    def does(self, *command: str, **variables: str) -> Done:
        """Run a command as that user, in the folder with the files."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name.lower().endswith("_proxy") or name.startswith(("PIP_", "SSL_"))
        }
        done = subprocess.run(
            ["setpriv", f"--reuid={USER}", f"--regid={USER}",
             f"--groups={','.join(map(str, GROUPS))}", *command],
            env=kept | {"PATH": "/usr/bin:/bin", "HOME": str(self.folder / "home"),
                        "KRAIT_KERNEL": str(self.folder / "kernel.elf")} | variables,
            cwd=self.folder / "files", stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def runs(self, *words: str, **variables: str) -> Done:
        """Run `krait run` as that user."""
        return self.does(self.launcher, "run", "--accel", "tcg", *words, **variables)


@pytest.fixture(scope="module")
def user() -> Iterator[OtherUser]:
    """The user, whose Krait is set up: the first run of a fresh checkout."""
    if Path("/usr/bin/python3").exists() is False:
        pytest.skip("another user needs a Python that is not in somebody's home")
    folder = Path(tempfile.mkdtemp(prefix="krait-other-user-", dir="/tmp"))
    try:
        made = OtherUser(folder)
        first = made.runs("--", "echo", "ready")
        assert (first.status, first.output) == (0, "ready\n"), first.errors
        yield made
    finally:
        shutil.rmtree(folder)


def same(user: OtherUser, command: Sequence[str], *switches: str) -> None:
    """Expect the machine to do what the host does."""
    here = user.does(*command)
    there = user.runs(*switches, "--", *command)
    assert there.output.splitlines() == here.output.splitlines()
    assert there == here


FILES = """
import os, sys
os.chdir(sys.argv[1])
for name in sorted(os.listdir(".")):
    facts = os.stat(name)
    print(name, oct(facts.st_mode), facts.st_uid, facts.st_gid)
    try:
        print(os.listdir(name) if os.path.isdir(name) else len(open(name, "rb").read()))
    except OSError as error:
        print(error)
"""
WHO = """
import os
print(os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.getcwd(), os.stat(".").st_uid)
for line in open("/proc/self/status"):
    if line.startswith(("Uid", "Gid", "Groups", "CapPrm", "CapEff")):
        print(line, end="")
for path in ("/etc/shadow", "/etc/passwd", *sorted(os.listdir("."))):
    facts = os.stat(path)
    print(path, oct(facts.st_mode), facts.st_uid, facts.st_gid)
    if os.path.isfile(path):
        print(facts.st_size)
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
        try:
            print(len(os.read(os.open(path, flags), 1 << 20)) if flags == os.O_RDONLY else
                  os.close(os.open(path, flags)))
        except OSError as error:
            print(error)
for path in ("/etc/new", "/new"):
    try:
        print(os.mkdir(path))
    except OSError as error:
        print(error)
try:
    print(os.listdir("closed"))
except OSError as error:
    print(error)
try:
    print(os.setuid(0))
except OSError as error:
    print(error)
"""


def test_is_who_it_is_on_the_host(user: OtherUser) -> None:
    """Ids, groups, capabilities; what may be read, written and made."""
    named = (".", "/etc/shadow", "/etc/passwd")
    same(user, ["/usr/bin/python3", "-I", "-c", WHO, *named])
    same(user, ["id"])


@pytest.mark.skipif(
    bool(os.statvfs("/tmp").f_flag & os.ST_NOSUID), reason="set-id bits must count on the host"
)
@pytest.mark.parametrize(
    ("mode", "owner"), [(0o4755, (0, 0)), (0o2755, (0, 70777)), (0o6755, (70777, 0))]
)
def test_set_id_bits_of_the_program_count(
    user: OtherUser, mode: int, owner: tuple[int, int]
) -> None:
    """Of the one that is started, as of one that a program executes."""
    path = user.folder / "files" / f"set-id-{mode:o}"
    shutil.copy("/usr/bin/id", path)
    os.chown(path, *owner)
    path.chmod(mode)
    try:
        same(user, [str(path)])
    finally:
        path.unlink()


NOSUID = """
set -e
mount -t tmpfs -o nosuid,mode=755 none "$1"
cp /usr/bin/id "$1/id"
chmod 6755 "$1/id"
shift
exec "$@"
"""
EXECUTES = """
import os, sys
print(oct(os.stat(sys.argv[1]).st_mode), flush=True)
os.execv(sys.argv[1], ["id"])
"""


def may_mount() -> bool:
    """Tell whether a command can have mounts of its own here; root in a container may not."""
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(
    shutil.which("unshare") is None or not may_mount(), reason="no mounts of our own here"
)
def test_set_id_bits_on_a_nosuid_mount_show_and_do_not_count(user: OtherUser) -> None:
    """The mount is seen by this command and what it starts alone."""
    place = user.folder / "files" / "nosuid"
    place.mkdir()
    as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    executes = ["/usr/bin/python3", "-I", "-c", EXECUTES, f"{place}/id"]
    krait = [user.launcher, "run", "--accel", "tcg", "--"]
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(user.folder / "home"),
        "KRAIT_KERNEL": str(user.folder / "kernel.elf"),
    }
    try:
        for program in ([f"{place}/id"], executes):
            outputs = [
                subprocess.run(
                    ["unshare", "-m", "sh", "-c", NOSUID, "sh", place, *as_user, *first, *program],
                    env=variables, cwd=user.folder / "files", stdin=subprocess.DEVNULL,
                    capture_output=True, text=True, timeout=LIMIT_S, check=False,
                )
                for first in ([], krait)
            ]  # fmt: skip
            here, there = ((done.returncode, done.stdout, done.stderr) for done in outputs)
            assert there == here
            assert f"uid={USER} gid={USER}" in here[1]
            assert "euid" not in here[1]
    finally:
        place.rmdir()


def test_volumes(user: OtherUser) -> None:
    """Files that only others may read are there, and are refused; so are those that are named."""
    here = user.does("/usr/bin/python3", "-I", "-c", FILES, str(user.folder / "files"))
    there = user.runs("-v", ".:/data", "--", "/usr/bin/python3", "-I", "-c", FILES, "/data")
    assert there == here
    refused = user.runs("-v", "secret:/data", "--", "ls", "/data")
    place = f"{user.folder}/files/secret"
    assert refused == Done(125, "", f"krait: {place}: permission denied\n")


def test_withheld_from_root_in_the_guest_as_well(user: OtherUser) -> None:
    """Rights that exist in the guest alone do not make up contents."""
    read = 'import os\nprint(os.path.getsize("secret"), os.getuid())\nopen("secret").read()'
    command = ["/usr/bin/python3", "-I", "-c", read]
    there = user.runs("--kernel-args", "uid=0", "--", *command, "secret")
    assert there.output == "14000 0\n", there.errors
    assert there.errors.endswith("PermissionError: [Errno 13] Permission denied\n")


NO_CACHE = "set XDG_CACHE_HOME to a folder you may write to"
UNREADABLE = "you may execute it but not read it, and an image needs its contents"


@pytest.mark.parametrize(
    ("program", "variables", "status", "line"),
    [
        ("./unreadable-program", {}, 126, f"./unreadable-program: {UNREADABLE}"),
        ("./own", {}, 126, "./own: permission denied: not executable"),
        ("true", {"HOME": "/proc/none"}, 125,
         f"/proc/none/.cache/krait: no such file or directory; {NO_CACHE}"),
        ("true", {"HOME": ""}, 125, "there is no home directory: set HOME or XDG_CACHE_HOME"),
        ("true", {"XDG_CACHE_HOME": "/root/x"}, 125,
         f"/root/x/krait: permission denied; {NO_CACHE}"),
    ],
    ids=["unreadable program", "not executable", "no such home", "no home", "cache of others"],
)  # fmt: skip
def test_refusals_are_one_line(
    user: OtherUser, program: str, variables: dict[str, str], status: int, line: str
) -> None:
    """What cannot be done is said in one clear line."""
    assert user.runs("--", program, **variables) == Done(status, "", f"krait: {line}\n")


def test_checkout_of_somebody_else(user: OtherUser) -> None:
    """One that was set up is used as it is; one that was not gets its environment elsewhere."""
    checkout = user.folder / "checkout"
    python = checkout / ".krait" / "environment" / "bin" / "python"
    subprocess.run(["chown", "-R", "0:0", str(checkout)], check=True)
    try:
        assert user.runs("--", "echo", "used") == Done(0, "used\n", "")
        python.rename(python.with_name("hidden"))
        there = user.runs("--", "echo", "elsewhere")
        assert (there.status, there.output) == (0, "elsewhere\n"), there.errors
        assert list((user.folder / "home" / ".cache" / "krait" / "environment").iterdir())
    finally:
        python.with_name("hidden").rename(python)
        subprocess.run(["chown", "-R", f"{USER}:{USER}", str(checkout)], check=True)


def test_machines_are_the_users_own(user: OtherUser) -> None:
    """`krait ps` and its like find none of root's."""
    listed = user.does(user.launcher, "ps")
    assert (listed.status, listed.errors) == (0, "")
    assert listed.output.splitlines()[1:] == []
    asked = user.does(user.launcher, "top", "nothing")
    assert asked == Done(125, "", "krait: no machine named nothing: none is running\n")
