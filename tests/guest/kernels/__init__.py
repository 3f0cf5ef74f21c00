"""Kernels that are nothing but a test: they boot, check, and tell how it went."""
