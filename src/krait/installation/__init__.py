"""Sets Krait up on a machine: its own Python environment and the system packages that it needs.

Runs on the bare interpreter of the system, before any dependency is there: standard library only.
"""
