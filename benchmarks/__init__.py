"""Benchmarks: the gateway beside bare floors, taking turns in one run, so that the ratios mean something."""
