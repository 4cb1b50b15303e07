"""Benchmarks of inference and of training: how to measure, on which device, and in which environment, is shared."""
