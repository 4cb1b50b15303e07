"""Benchmarks of inference and training, with shared modules for timing, devices and the environment."""
