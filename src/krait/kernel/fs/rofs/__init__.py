"""ROFS: Krait's read-only file system for program images, page-aligned, checksummed, mapped in place."""
