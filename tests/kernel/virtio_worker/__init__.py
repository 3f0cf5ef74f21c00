"""A virtqueue on the host, compiled with sanitizers, between a driver and a device that lies."""
