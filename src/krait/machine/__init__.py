"""How an image runs: one class per hypervisor, and the plumbing between its VM and the user."""
