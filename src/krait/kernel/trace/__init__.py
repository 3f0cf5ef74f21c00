"""Looking into the running kernel: boot phases now, tracepoints later."""
