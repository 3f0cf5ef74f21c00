"""What a program opens at run time that its ELF headers do not name: one finder a module."""
