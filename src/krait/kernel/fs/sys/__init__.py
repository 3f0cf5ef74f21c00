"""/sys: what run-times read of the machine."""
