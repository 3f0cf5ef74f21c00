"""File systems on the host: the kernel's modules, compiled with sanitizers, above stand-ins.

What lies below the file systems (frames, locks, the clock, the checksum instruction) is replaced by
the modules in `below/`, so everything runs in a process of its own that never loads the real ones.
"""
