"""A module with WASI, its traps, and instances in eight threads."""

import sys
import tempfile
import threading
import time
from pathlib import Path

from wasmtime import (
    Config,
    Engine,
    ExitTrap,
    Instance,
    Linker,
    Module,
    Store,
    Trap,
    WasiConfig,
    WasmtimeError,
)

config = Config()
config.epoch_interruption = True
engine = Engine(config)
linker = Linker(engine)
linker.define_wasi()
module = Module.from_file(engine, sys.argv[1])


def instance(wasi: WasiConfig) -> tuple[Store, Instance]:
    store = Store(engine)
    store.set_epoch_deadline(1)
    store.set_wasi(wasi)
    return store, linker.instantiate(store, module)


wasi = WasiConfig()
wasi.argv = sys.argv[1:]
wasi.inherit_stdin()
wasi.inherit_stdout()
wasi.inherit_stderr()
with tempfile.TemporaryDirectory() as folder:
    wasi.preopen_dir(folder, "/")
    store, made = instance(wasi)
    status = None
    try:
        made.exports(store)["_start"](store)
    except ExitTrap as ended:
        status = ended.code
    print("status", status, Path(f"{folder}/file.txt").read_text(), end="")

for name, arguments in (
    ("give_up", []), ("outside", []), ("divide", [0]), ("deeper", [1]), ("indirect", []),
):  # fmt: skip
    store, made = instance(WasiConfig())
    try:
        made.exports(store)[name](store, *arguments)
    except Trap as trap:
        print(name, trap.trap_code, len(trap.frames) > 0)

store, made = instance(WasiConfig())
threading.Thread(target=lambda: (time.sleep(0.05), engine.increment_epoch())).start()
try:
    made.exports(store)["endless"](store)
except (Trap, WasmtimeError) as trap:
    print("endless", trap.trap_code)

results = []


def work(number: int) -> None:
    store, made = instance(WasiConfig())
    results.append(made.exports(store)["fibonacci"](store, number))


threads = [threading.Thread(target=work, args=(number,)) for number in range(10, 18)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(results))
sys.exit(status)
