"""The Linux ABI: one module for each family of system calls, programs, signals, tasks."""
