"""Krait: one unmodified Linux program, fused with a small kernel, run as a microVM."""

__version__ = "0.1.0"
