"""Real programs: each runs on the host and in a virtual machine, and must do the same in both."""
