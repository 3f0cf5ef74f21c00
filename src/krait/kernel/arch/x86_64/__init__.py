"""x86-64: boot, traps, system call entry, page tables, context switch, interrupt controllers."""
