"""Tests in a virtual machine: what only a guest shows."""
