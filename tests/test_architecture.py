"""The tree is the architecture: imports point downward, and each layer keeps to its own means."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src"
PACKAGE = SOURCES / "krait"
KERNEL = PACKAGE / "kernel"

# Each may import what stands before it, and itself.
KERNEL_LAYERS = (
    ("lang",),
    ("errno", "config", "protocol"),
    ("trace",),
    ("arch",),
    ("sched",),
    ("mm",),
    ("drivers",),
    ("fs",),
    ("net",),
    ("linux",),
    ("api",),
    ("boot",),
)
HOST_LAYERS = (("kernel",), ("compiler",), ("image", "machine"), ("apps",), ("cli",))
# What host tools may import of the kernel: definitions that both sides share.
SHARED_WITH_HOST = ("lang", "errno", "config", "protocol", "fs.rofs", "linux.numbers")
FORBIDDEN_NAMES = ("utils", "util", "helpers", "helper", "misc", "common", "base", "manager")
UNSAFE_LAYERS = ("arch", "mm", "sched", "drivers", "boot", "linux", "trace", "protocol", "fs")
# Where safe code is the rule, the exceptions are named, so that their number only goes down.
NAMED_UNSAFE = ("fs/poll.py", "fs/watching.py", "protocol/word_reader.py")
ASSEMBLY_HOME = KERNEL / "arch"


def modules() -> Iterator[Path]:
    """Give every module of the package."""
    yield from sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Give a module's dotted name."""
    parts = list(path.relative_to(SOURCES).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Give line, module and whether it is for type checkers only, for each import in a module."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for each in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, id(node) in typing_only
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            module = node.module
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                file = SOURCES / whole.replace(".", "/")
                is_module = file.is_dir() or file.with_suffix(".py").exists()
                yield node.lineno, whole if is_module else module, id(node) in typing_only


def rank(layers: tuple[tuple[str, ...], ...], name: str) -> int | None:
    """Give the number of the layer that a name belongs to."""
    first = name.split(".", maxsplit=1)[0]
    return next((index for index, layer in enumerate(layers) if first in layer), None)


def complaints(path: Path) -> Iterator[str]:
    """Find the imports of a module that go upward."""
    own = name_of(path).removeprefix("krait.")
    for line, target, typing_only in imports(path):
        if not target.startswith("krait.") or target == "krait":
            continue
        to = target.removeprefix("krait.")
        place = f"{path.relative_to(SOURCES)}:{line}"
        if own.startswith("kernel."):
            if not to.startswith("kernel."):
                yield f"{place}: the kernel imports {target}"
                continue
            mine, theirs = own.removeprefix("kernel."), to.removeprefix("kernel.")
            below, here = rank(KERNEL_LAYERS, theirs), rank(KERNEL_LAYERS, mine)
            if below is None or here is None:
                yield f"{place}: {mine if here is None else theirs} is in no layer"
            elif below > here and not typing_only:
                yield f"{place}: {mine} imports {theirs}, which is above it"
        elif "." in own or own in ("cli", "image", "machine", "compiler", "kernel"):
            below, here = rank(HOST_LAYERS, to), rank(HOST_LAYERS, own)
            if below is None or here is None:
                continue
            if below > here and not typing_only:
                yield f"{place}: {own} imports {to}, which is above it"
            if to.startswith("kernel.") and here >= 2:
                shared = to.removeprefix("kernel.")
                if not any(shared == s or shared.startswith(s + ".") for s in SHARED_WITH_HOST):
                    yield f"{place}: {own} imports {to}, which is not shared with the host"


def test_imports_point_downward() -> None:
    found = [complaint for path in modules() for complaint in complaints(path)]
    assert not found, "\n".join(found)


def test_lang_stands_alone() -> None:
    for path in sorted((KERNEL / "lang").glob("*.py")):
        for line, target, _typing_only in imports(path):
            ours = target.startswith("krait")
            assert not ours or target.startswith("krait.kernel.lang"), f"{path}:{line}: {target}"


def test_host_tools_are_no_part_of_the_kernel() -> None:
    outside = ("click", "rich", "elftools", "subprocess", "socket", "threading")
    allowed = {KERNEL / "lang" / "interpret.py"}
    for path in sorted(KERNEL.rglob("*.py")):
        for line, target, _typing_only in imports(path):
            assert path in allowed or target.split(".")[0] not in outside, (
                f"{path}:{line}: {target}"
            )


@pytest.mark.parametrize("path", list(modules()), ids=name_of)
def test_names_say_what_is_inside(path: Path) -> None:
    assert path.stem not in FORBIDDEN_NAMES
    assert path.parent.name not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", list(modules()), ids=name_of)
def test_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def unsafe_modules() -> list[Path]:
    """Give the kernel modules that handle raw addresses."""
    return [
        path
        for path in sorted(KERNEL.rglob("*.py"))
        if re.search(r"^unsafe: Final(\[bool\])? = True", path.read_text(), re.MULTILINE)
    ]


def test_unsafe_modules_are_confined_and_state_their_invariant() -> None:
    for path in unsafe_modules():
        layer = path.relative_to(KERNEL).with_suffix("").parts[0]
        assert layer in UNSAFE_LAYERS, f"{path} may not be unsafe"
        named = str(path.relative_to(KERNEL)) in NAMED_UNSAFE
        assert named or layer not in ("fs", "protocol"), f"{path} may not be unsafe"
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert re.search(r"\b[Ii]nvariant", docstring), (
            f"{path} does not state its invariant: write 'Invariant: …' in its docstring"
        )


CLAIMS = r"^(holds: Final = \(|has_own_lock: Final = True)"


def test_modules_that_hold_or_guard_state_their_invariant() -> None:
    """Claims that are less than `unsafe`, and that the compiler cannot prove either."""
    found = 0
    for path in sorted(KERNEL.rglob("*.py")):
        text = path.read_text()
        if re.search(CLAIMS, text, re.MULTILINE):
            found += 1
            docstring = ast.get_docstring(ast.parse(text)) or ""
            assert re.search(r"\b[Ii]nvariant", docstring), path
    assert found >= 3


def test_assembly_lives_in_arch() -> None:
    for path in sorted(PACKAGE.rglob("*.S")):
        assert ASSEMBLY_HOME in path.parents, path
    for path in sorted(KERNEL.rglob("*.py")):
        if ASSEMBLY_HOME in path.parents or KERNEL / "lang" in path.parents:
            continue
        calls = re.findall(r"(?<!\.)\b(asm|asm_do)\(", path.read_text())
        assert not calls, f"{path} has inline assembly"


def test_no_handwritten_c_in_the_kernel() -> None:
    assert not [*KERNEL.rglob("*.c")]
    for path in KERNEL.rglob("*.h"):  # constants for assembly
        assert ASSEMBLY_HOME in path.parents, path
        assert ";" not in re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL), path


FS_HOME = ("switch.S", "copy.S", "enter.S", "boot.S", "context.S", "cpu.S")


def test_fs_belongs_to_the_program() -> None:
    for path in sorted([*KERNEL.rglob("*.S"), *KERNEL.rglob("*.py")]):
        if path.name in FS_HOME or KERNEL / "lang" in path.parents:
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            assert not re.search(r"%fs:", line.split("#")[0]), f"{path}:{number} uses %fs"
