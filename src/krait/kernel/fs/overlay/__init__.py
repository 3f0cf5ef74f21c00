"""The overlay: a read-only image made writable by keeping the changes in memory."""
