"""Java: a tour through what the JVM asks of a kernel, with each collector; ways to start and end."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.comparison import ENVIRONMENT, Comparison, run_in_guest

SOURCES = Path(__file__).parent / "programs" / "java"
COLLECTORS = {
    "default": [],
    **{name: [f"-XX:+Use{name}GC"] for name in ("Serial", "Parallel", "G1")},
}
TOGETHER = ("threads", "waiting", "garbage")
ENDS = {
    "status": ["exit", "7"],
    "large status": ["exit", "-1"],
    "exit in a thread": ["exit in a thread"],
    "halt": ["halt"],
    "uncaught": ["uncaught"],
    "uncaught in a thread": ["uncaught in a thread"],
    "input": ["input"],
}


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compiled programs; `module` below it holds those of the named module."""
    folder = tmp_path_factory.mktemp("classes")
    _compile(folder, sorted(SOURCES.glob("*.java")))
    _compile(folder / "module", sorted((SOURCES / "module").rglob("*.java")))
    return folder


def _compile(folder: Path, sources: Sequence[Path]) -> None:
    """Run javac."""
    command = ["javac", "-d", str(folder), *map(str, sources)]
    subprocess.run(command, check=True, env=ENVIRONMENT)


@pytest.mark.parametrize(
    ("collector", "cpus"),
    [("default", "1"), ("Serial", "2"), ("Parallel", "2"), ("G1", "1"), ("G1", "2"), ("G1", "4")],
)
def test_threads_and_garbage(
    same_as_host: Comparison, classes: Path, collector: str, cpus: str
) -> None:
    """200 threads, monitors and queues, more garbage than the heap holds, with each collector."""
    _tour(same_as_host, classes, [*COLLECTORS[collector], "-Xmx48m"], cpus, *TOGETHER)


@pytest.mark.parametrize("cpus", ["1", "2", "4"])
def test_faults_clocks_and_files(same_as_host: Comparison, classes: Path, cpus: str) -> None:
    """Null pointers and deep stacks that are caught, timers, files, mapped files, random bytes."""
    _tour(same_as_host, classes, [], cpus, "faults", "clocks", "files")


def _tour(
    same_as_host: Comparison, classes: Path, options: Sequence[str], cpus: str, *parts: str
) -> None:
    """Run parts of the tour, without a word on standard error."""
    words = ["java", *options, "-cp", str(classes), "Tour", *parts]
    done = same_as_host(*words, switches=("-m", "512M", "-c", cpus))
    assert (done.status, done.errors) == (0, b"")


@pytest.mark.parametrize("end", ENDS)
def test_ends(same_as_host: Comparison, classes: Path, end: str) -> None:
    """Statuses, shutdown hooks, and what an exception that nobody catches prints."""
    words = ["java", "-cp", str(classes), "Ends", *ENDS[end]]
    same_as_host(*words, stdin=b"some input", switches=("-m", "512M", "-c", "2"))


def test_archive_and_module(same_as_host: Comparison, classes: Path, tmp_path: Path) -> None:
    """`-jar`, an archive in the class path, a module, and what the launcher says of itself."""
    archive = str(tmp_path / "named.jar")
    module = str(classes / "module")
    subprocess.run(
        ["jar", "-c", "-f", archive, "-e", "tour.Named", "-C", module, "."],
        check=True, env=ENVIRONMENT,
    )  # fmt: skip
    same_as_host("java", "-jar", archive, "one", "two words")
    same_as_host("java", "-p", module, "--module", "tour.module/tour.Named", "one")
    same_as_host("java", "-p", archive, "-m", "tour.module/tour.Named")
    assert same_as_host("java", "-version").errors.startswith(b"openjdk version")


@pytest.mark.parametrize(
    ("cpus", "memory_mib", "collector"), [(1, 512, "Copy"), (4, 2048, "G1 Young Generation")]
)
def test_machine(classes: Path, cpus: int, memory_mib: int, collector: str) -> None:
    """The JVM counts the machine's CPUs, and takes a quarter of its memory for the heap."""
    done = run_in_guest(
        ["java", "-cp", str(classes), "Machine"], b"", ENVIRONMENT,
        ("-c", str(cpus), "-m", f"{memory_mib}M"),
    )  # fmt: skip
    assert (done.status, done.errors) == (0, b"")
    seen_cpus, heap_mib, seen_collector = done.output.decode().strip().split(" ", 2)
    assert (int(seen_cpus), seen_collector) == (cpus, collector)
    assert 0.85 * memory_mib / 4 <= int(heap_mib) <= memory_mib / 4 + 2
