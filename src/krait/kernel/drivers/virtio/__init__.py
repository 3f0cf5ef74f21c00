"""Devices that were made for virtual machines (OASIS, Virtual I/O Device 1.2)."""
