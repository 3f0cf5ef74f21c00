"""What differs between processors: entry, traps, page tables, context switch."""
