"""Node.js: a hello, and a tour through what Node does with threads, files, timers and its JIT."""

from __future__ import annotations

from pathlib import Path

from tests.comparison import Comparison

PROGRAMS = Path(__file__).parent / "programs" / "node"
MACHINE = ("-m", "1G", "-c", "2")


def test_hello(same_as_host: Comparison) -> None:
    """Code on the command line, standard input, a status."""
    code = "process.stdin.on('data', (d) => { console.log(`hello ${d}`); process.exitCode = 3 })"
    same_as_host("node", "-e", code, stdin=b"input", switches=MACHINE)


def test_tour(same_as_host: Comparison) -> None:
    """Workers, 1,000 files by promises, timers, WebAssembly, a heap that grows and is collected."""
    same_as_host(
        "node", "--expose-gc", "main.js", "argument", directory=str(PROGRAMS), switches=MACHINE
    )


def test_modules(same_as_host: Comparison, tmp_path: Path) -> None:
    """Files that are imported, a package in `node_modules`, an error with its stack."""
    package = tmp_path / "node_modules" / "thing"
    (package / "lib").mkdir(parents=True)
    (package / "package.json").write_text('{"name": "thing", "main": "lib/start"}')
    (package / "lib" / "start.js").write_text("module.exports = require('./' + 'computed')")
    (package / "lib" / "computed.js").write_text("module.exports = 'a package'")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "part.js").write_text("export const part = 'a part'\n")
    (tmp_path / "main.js").write_text(
        "import thing from 'thing'\nimport { part } from './part.js'\n"
        "console.log(thing, part)\nconst other = await import('./data.json', "
        "{ with: { type: 'json' } })\nconsole.log(other.default)\nthrow new Error('on purpose')\n"
    )
    (tmp_path / "data.json").write_text('{"key": [1, 2]}')
    done = same_as_host(
        "node", "--no-warnings", "main.js", directory=str(tmp_path), switches=MACHINE
    )
    assert done.status == 1
    assert b"on purpose" in done.errors
