"""Memory: page frames, the kernel heap and stacks, and the address spaces of programs."""
