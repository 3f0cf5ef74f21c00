"""Devices: each driver sits behind the contract of what it provides, and starts on first use."""
