;; What WASI offers a module: arguments, standard input and output, a clock, random bytes, a file in
;; an opened folder, a status; and four ways to trap, which the engine takes from signals.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (table 2 funcref)
  (type $nothing (func))
  (data (i32.const 64) "written through WASI\n")
  (data (i32.const 96) "file.txt")

  ;; Write `count` bytes at `from` to a descriptor.
  (func $put (param $fd i32) (param $from i32) (param $count i32)
    (i32.store (i32.const 0) (local.get $from))
    (i32.store (i32.const 4) (local.get $count))
    (if (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))

  ;; Read at most 4096 bytes to address 8192; gives how many came.
  (func $get (param $fd i32) (result i32)
    (i32.store (i32.const 0) (i32.const 8192))
    (i32.store (i32.const 4) (i32.const 4096))
    (if (call $read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
    (i32.load (i32.const 8)))

  (func (export "_start") (local $fd i32) (local $count i32)
    ;; the arguments, each with its zero byte, as they lie in memory
    (drop (call $args_sizes (i32.const 16) (i32.const 20)))
    (drop (call $args (i32.const 1024) (i32.const 2048)))
    (call $put (i32.const 1) (i32.const 2048) (i32.load (i32.const 20)))
    ;; standard input, until its end
    (block $end
      (loop $more
        (local.set $count (call $get (i32.const 0)))
        (br_if $end (i32.eqz (local.get $count)))
        (call $put (i32.const 1) (i32.const 8192) (local.get $count))
        (br $more)))
    ;; a clock that runs forward
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 24)))
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 32)))
    (if (i64.lt_u (i64.load (i32.const 32)) (i64.load (i32.const 24))) (then unreachable))
    ;; sixteen random bytes that are not all zero
    (if (call $random (i32.const 40) (i32.const 16)) (then unreachable))
    (if (i64.eqz (i64.or (i64.load (i32.const 40)) (i64.load (i32.const 48)))) (then unreachable))
    ;; a file in the folder of descriptor 3: made, written, read back
    (if (call $open (i32.const 3) (i32.const 0) (i32.const 96) (i32.const 8) (i32.const 9)
          (i64.const 0x66) (i64.const 0) (i32.const 0) (i32.const 12)) (then unreachable))
    (local.set $fd (i32.load (i32.const 12)))
    (call $put (local.get $fd) (i32.const 64) (i32.const 21))
    (drop (call $seek (local.get $fd) (i64.const 0) (i32.const 0) (i32.const 24)))
    (call $put (i32.const 1) (i32.const 8192) (call $get (local.get $fd)))
    (drop (call $close (local.get $fd)))
    ;; a folder that was not opened
    (i32.store (i32.const 96) (i32.const 0x2f2e2e2f)) ;; "/../"
    (if (i32.eqz (call $open (i32.const 3) (i32.const 0) (i32.const 96) (i32.const 8) (i32.const 0)
          (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 12))) (then unreachable))
    (call $put (i32.const 2) (i32.const 64) (i32.const 21))
    (call $exit (i32.const 7)))

  (func (export "give_up") unreachable)
  (func (export "outside") (drop (i32.load (i32.const 0x7fffff00))))
  (func (export "divide") (param $by i32) (result i32) (i32.div_s (i32.const 1) (local.get $by)))
  (func $deeper (export "deeper") (param i32) (result i32)
    (i32.add (i32.const 1) (call $deeper (local.get 0))))
  (func (export "indirect") (call_indirect (type $nothing) (i32.const 1)))
  (func (export "endless") (loop $again (br $again)))
  (func $fibonacci (export "fibonacci") (param $n i32) (result i32)
    (if (result i32) (i32.lt_s (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else (i32.add (call $fibonacci (i32.sub (local.get $n) (i32.const 1)))
                     (call $fibonacci (i32.sub (local.get $n) (i32.const 2))))))))
