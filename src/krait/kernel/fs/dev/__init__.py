"""/dev: devices that are programs' own, not hardware."""
