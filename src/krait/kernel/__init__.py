"""The unikernel, all of it kernel Python: `docs/kernel-python.md` describes the language."""
