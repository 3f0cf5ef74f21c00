"""The terminal: settings, line discipline, and the open file that programs see."""
