"""The kernel's window: answers to the host's questions about the running machine."""
