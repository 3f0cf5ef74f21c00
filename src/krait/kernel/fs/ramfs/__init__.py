"""ramfs: files in memory, as tmpfs has them."""
