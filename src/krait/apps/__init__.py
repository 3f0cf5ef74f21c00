"""Ready-made images: a definition each, a file of about ten lines under `apps/`."""
