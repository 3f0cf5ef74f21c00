"""Finds the image of an earlier run, in a few milliseconds.

This is the only part of the image builder that a cached run executes, so it imports nothing but
what the interpreter has loaded anyway. A record of an earlier build lists every host path that had
a part in it, each with the time of its last change (ctime, which content, permissions and renames
all move) and its size, or as absent. If a stat of each gives the same, the image is the right one.

What chooses the record is all that can change the closure without changing a file: the program,
the paths among the arguments, names of modules in Python code, and some variables.
"""

from __future__ import annotations

import array
import os
import sys
from collections.abc import Iterable, Mapping, Sequence

FORMAT = b"krait image record 4\n"
VARIABLES = (
    *("PATH", "HOME", "TERM", "TERMINFO", "TZ", "LANG", "LANGUAGE", "LD_LIBRARY_PATH"),
    *("LD_PRELOAD", "PYTHONHOME", "PYTHONPATH", "PERL5LIB", "PERLLIB", "VIRTUAL_ENV"),
    *("PERL5OPT", "RUBYLIB", "RUBYOPT", "GEM_HOME", "GEM_PATH", "BUNDLE_GEMFILE", "BUNDLE_PATH"),
    *("LUA_PATH", "LUA_CPATH", "LUA_INIT", "LUA_PATH_5_4", "LUA_CPATH_5_4", "PHPRC"),
    *("PHP_INI_SCAN_DIR", "ERL_ROOTDIR", "ERL_LIBS", "ESCRIPT_EMULATOR", "ERLC_EMULATOR"),
    *("CLASSPATH", "JDK_JAVA_OPTIONS", "NODE_PATH", "NODE_OPTIONS"),
)
VARIABLE_ENDS = ("ENV_VERSION", "ENV_ROOT")  # PYENV_VERSION, RBENV_ROOT, ...
VARIABLE_STARTS = ("LC_", "ASDF_", "MISE_")
FILE_VARIABLES = ("FILE", "PATH", "CERT", "CERTS", "BUNDLE", "RC")
WRAPPERS = frozenset(
    ("env", "nice", "nohup", "setsid", "stdbuf", "timeout", "time", "ionice", "taskset", "chrt")
)  # programs that execute one of their arguments
SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"))
JAVA_WITH_VALUE = frozenset(
    (
        *("-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path"),
        *("--add-modules", "--limit-modules", "--add-exports", "--add-opens", "--add-reads"),
        *("--patch-module", "--source", "-d", "--describe-module"),
    )
)  # options of java(1) whose value is the next word
JAVA_LAST = frozenset(("-jar", "-m", "--module"))  # the word after these names the program
GROUPS = ("facts", "argv_head", "changes", "notes", "present", "absent", "no_set_id", "set_id")
GUEST_OWN = ("/proc", "/dev", "/sys")
SEPARATOR = "\0"


class PreparedImage:
    """An image that is ready to boot, and what to run in it."""

    __slots__ = (
        "argv",
        "cwd",
        "environment_changes",
        "from_cache",
        "least_memory",
        "notes",
        "path",
        "program_guest_path",
        "size",
    )

    def __init__(
        self,
        *,
        path: str,
        size: int,
        program_guest_path: str,
        argv: list[str],
        cwd: str,
        environment_changes: dict[str, str],
        notes: list[str],
        least_memory: int,
        from_cache: bool,
    ) -> None:
        """Take the facts; `least_memory` counts the program's own memory, not kernel and image."""
        self.path = path
        self.size = size
        self.program_guest_path = program_guest_path
        self.argv = argv
        self.cwd = cwd
        self.environment_changes = environment_changes
        self.notes = notes
        self.least_memory = least_memory
        self.from_cache = from_cache


class Request:
    """What the user asked for, and the key under which its record is kept."""

    __slots__ = (
        "arguments",
        "cache_folder",
        "environment",
        "extra_files",
        "extra_manifests",
        "finder",
        "key",
        "program",
        "trace",
        "volumes",
        "workdir",
    )

    def __init__(
        self,
        program: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        volumes: Sequence[str | tuple[str, str]] = (),
        workdir: str | None = None,
        extra_manifests: Sequence[str] = (),
        extra_files: Sequence[str] = (),
        finder: str | None = None,
        trace: str | None = None,
        cache_folder: str | None = None,
    ) -> None:
        """Collect what decides about the image.

        `extra_files` are taken as if the command line named them, `finder` names the language
        where the program does not, `trace` is a list of files (`krait.image.traced_files`).
        """
        self.program = program
        self.arguments = list(arguments)
        self.environment = environment
        self.volumes = [_pair(volume) for volume in volumes]
        self.workdir = workdir or os.getcwd()
        self.extra_manifests = list(extra_manifests)
        self.extra_files = list(extra_files)
        self.finder = finder
        self.trace = trace
        self.cache_folder = cache_folder or _default_cache_folder()
        self.key = self._key()

    def _key(self) -> str:
        """Join all that chooses the record."""
        name = os.path.basename(self.program)
        if name in WRAPPERS or name in SHELLS:
            words = list(self.arguments)
        elif name.startswith("python"):
            words = sorted(imported_names(self.arguments))
        elif name == "java":
            words = java_words(self.arguments)
        else:
            words = []
        variables = [
            f"{key}={value}"
            for key, value in sorted(self.environment.items())
            if key in VARIABLES
            or key.startswith(VARIABLE_STARTS)
            or key.endswith(VARIABLE_ENDS)
            or names_a_file(key, value)
        ]
        return repr(
            (
                _builder_stamp(),
                (os.geteuid(), os.getegid(), os.getgroups()),  # who decides what may be read
                self.program,
                self.workdir,
                list(named_paths(self.arguments, self.workdir)),
                words,
                variables,
                self.volumes,
                self.extra_manifests,
                self.extra_files,
                self.finder,
                self.trace,
            )
        )

    @property
    def record_path(self) -> str:
        """Where the record is kept. Two keys may share a name: the record holds the whole key."""
        # FNV-1a over the key: `hashlib` would take longer to import than all else here.
        digest = 0xCBF29CE484222325
        for byte in self.key.encode("utf-8", "surrogateescape"):
            digest = (digest ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
        return os.path.join(self.cache_folder, "records", f"{digest:016x}")


def _pair(volume: str | tuple[str, str]) -> tuple[str, str]:
    """Split `HOST:GUEST`."""
    if isinstance(volume, str):
        host, _, guest = volume.partition(":")
        return host, guest
    return volume


def _default_cache_folder() -> str:
    """Give where images are kept; the command line has loaded the module by now."""
    from krait.cache_folder import cache_folder

    return cache_folder()


def named_paths(arguments: Iterable[str], workdir: str) -> Iterable[str]:
    """Yield the absolute form of each argument, or of what follows its `=`, that exists."""
    for argument in arguments:
        candidates = [argument]
        before, separator, after = argument.partition("=")
        if separator and before.startswith("-"):
            candidates = [after]
        for candidate in candidates:
            if not candidate or candidate.startswith("-") or len(candidate) > 4096:
                continue
            path = os.path.join(workdir, candidate)
            if (path + "/").startswith(tuple(f"{folder}/" for folder in GUEST_OWN)):
                continue
            try:
                os.lstat(path)
            except (OSError, ValueError):
                continue
            yield path


def imported_names(arguments: Iterable[str]) -> set[str]:
    """Return modules that Python code among the arguments imports, the standard library's apart."""
    names: set[str] = set()
    previous = ""
    for argument in arguments:
        if previous == "-m":
            names.add(argument.partition(".")[0])
        elif "import" in argument:
            names.update(_imports_in(argument))
        previous = argument
    return names - sys.stdlib_module_names | (names & {"zoneinfo"})


def java_words(arguments: Iterable[str]) -> list[str]:
    """Return the words that are java's own: up to the class, archive or module that it runs."""
    words: list[str] = []
    takes_value = ends = False
    for argument in arguments:
        words.append(argument)
        if ends or not (takes_value or argument.startswith(("-", "@"))):
            break
        takes_value = not takes_value and argument in JAVA_WITH_VALUE
        if argument.startswith("--module="):
            break
        ends = argument in JAVA_LAST
    return words


def _imports_in(code: str) -> Iterable[str]:
    """Yield top-level names from code; what only looks like an import does no harm."""
    for mark in ",;(":
        code = code.replace(mark, f" {mark} ")
    words = [*code.split(), "", ""]
    for at, word in enumerate(words):
        if word == "from":
            yield words[at + 1].partition(".")[0]
        elif word in ("__import__", "import_module"):
            yield words[at + 2].strip("'\")")
        elif word == "import" and (at < 2 or words[at - 2] != "from"):
            while True:
                yield words[at + 1].partition(".")[0]
                at += 3 if words[at + 2] == "as" else 1
                if words[at + 1 : at + 2] != [","] or not words[at + 2]:
                    break
                at += 1


def names_a_file(name: str, value: str) -> bool:
    """Tell whether a variable may name a file that the program reads, by its whole value."""
    return value.startswith("/") and name.endswith(
        ("FILE", "PATH", "CERTS", "CERT", "BUNDLE", "RC")
    )


def find_prepared(request: Request) -> PreparedImage | None:
    """Return the image of an earlier run if nothing it was made from has changed since."""
    try:
        with open(request.record_path, "rb") as file:
            raw = file.read()
    except OSError:
        return None
    head, _, stamps_raw = raw.removeprefix(FORMAT).partition(b"\n\n")
    fields = head.decode("utf-8", "surrogateescape").split(SEPARATOR)
    if not raw.startswith(FORMAT) or _unescape(fields[0]) != request.key:
        return None
    try:
        record = _decode(fields)
        stamps = array.array("q")
        stamps.frombytes(stamps_raw)
        if stamps.tolist() != stamps_of(record["present"]) or not _all_absent(record["absent"]):
            return None
        if os.stat(record["facts"][0]).st_size != int(record["facts"][1]):
            return None
        if not (_all_nosuid(record["no_set_id"], 1) and _all_nosuid(record["set_id"], 0)):
            return None
        return _prepared(request, record)
    except (OSError, ValueError, IndexError, KeyError):
        return None  # the record or the image is gone or damaged: it is made anew


def stamps_of(paths: Iterable[str]) -> list[int]:
    """List change time and size of each path, without following a last link."""
    stamps: list[int] = []
    for status in map(os.lstat, paths):
        stamps.append(status.st_ctime_ns)
        stamps.append(status.st_size)
    return stamps


def _all_nosuid(paths: Iterable[str], expected: int) -> bool:
    """Tell whether the mounts of programs with set-id bits are what they were; few have them."""
    return all(bool(os.statvfs(path).f_flag & os.ST_NOSUID) == expected for path in paths)


def write_record(
    request: Request,
    image: PreparedImage,
    *,
    argv_head: list[str],
    present: list[str],
    stamps: list[int],
    absent: list[str],
    no_set_id: list[str],
    set_id: list[str],
) -> None:
    """Remember a build. `argv_head` is what stands before the user's own arguments.

    `no_set_id` and `set_id` are programs whose set-id bits do not count and count.
    """
    facts = [image.path, str(image.size), image.program_guest_path, str(image.least_memory)]
    changes = [f"{name}={value}" for name, value in image.environment_changes.items()]
    fields = [request.key]
    for group in (facts, argv_head, changes, image.notes, present, absent, no_set_id, set_id):
        fields.append(str(len(group)))
        fields.extend(group)
    head = SEPARATOR.join(_escape(field) for field in fields)
    body = head.encode("utf-8", "surrogateescape") + b"\n\n" + array.array("q", stamps).tobytes()
    os.makedirs(os.path.dirname(request.record_path), exist_ok=True)
    temporary = f"{request.record_path}.{os.getpid()}"
    with open(temporary, "wb") as file:
        file.write(FORMAT + body)
    os.replace(temporary, request.record_path)


def _prepared(request: Request, record: dict[str, list[str]]) -> PreparedImage:
    """Make the result from a record and the arguments of this run."""
    path, size, program, least_memory = record["facts"]
    return PreparedImage(
        path=path,
        size=int(size),
        program_guest_path=program,
        argv=[*record["argv_head"], *request.arguments],
        cwd=request.workdir,
        environment_changes={
            change.partition("=")[0]: change.partition("=")[2] for change in record["changes"]
        },
        notes=record["notes"],
        least_memory=int(least_memory),
        from_cache=True,
    )


def _decode(fields: list[str]) -> dict[str, list[str]]:
    """Split the fields of a record into its groups."""
    record: dict[str, list[str]] = {}
    at = 1
    for name in GROUPS:
        count = int(fields[at])
        group = fields[at + 1 : at + 1 + count]
        if len(group) != count:
            raise ValueError("the record is cut short")
        record[name] = [_unescape(f) for f in group] if any("\\" in f for f in group) else group
        at += 1 + count
    return record


def _all_absent(paths: Iterable[str]) -> bool:
    """Tell whether there is still nothing at these paths."""
    for path in paths:
        try:
            os.lstat(path)
        except (OSError, ValueError):
            continue
        return False
    return True


def _escape(text: str) -> str:
    """Keep newlines out of a record's head: an empty line ends it."""
    return text.replace("\\", "\\\\").replace("\n", "\\n") if "\\" in text or "\n" in text else text


def _unescape(text: str) -> str:
    """Undo `_escape`."""
    if "\\" not in text:
        return text
    return "\\".join(part.replace("\\n", "\n") for part in text.split("\\\\"))


def _builder_stamp() -> int:
    """Change whenever the image builder itself does."""
    folder = os.path.dirname(__file__)
    total = 0
    for place in (folder, os.path.join(folder, "finders")):
        with os.scandir(place) as found:
            total += sum(entry.stat().st_mtime_ns for entry in found if entry.name.endswith(".py"))
    return total
