"""Runs a WebAssembly module that writes through WASI."""

import sys

from wasmtime import Engine, Linker, Module, Store, WasiConfig

engine = Engine()
linker = Linker(engine)
linker.define_wasi()
store = Store(engine)
wasi = WasiConfig()
wasi.argv = ["module", *sys.argv[1:]]
wasi.inherit_stdout()
store.set_wasi(wasi)
module = Module.from_file(engine, __file__.replace("main.py", "hello.wat"))
instance = linker.instantiate(store, module)
exports = instance.exports(store)
exports["_start"](store)
print("factorial of 10:", exports["factorial"](store, 10), flush=True)
