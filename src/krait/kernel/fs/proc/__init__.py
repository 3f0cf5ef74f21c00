"""/proc: the kernel's and the process's state as text (proc(5))."""
