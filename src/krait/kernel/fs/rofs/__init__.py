"""ROFS: the read-only file system of program images: page-aligned, checksummed, mapped in place."""
