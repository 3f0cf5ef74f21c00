"""What Krait has of the Linux system calls, and what a program would miss."""
