"""Threads, what they wait for, and time.

Modules build on each other in this order: `vdso_data`, `clock`, `timer`; `space`, `thread`,
`run_queue`, `cpu`, `switching`, `unlocked_yield`, `scheduler`; `spin_lock`, `mutex`, `wait_queue`,
`sleep`.
"""
