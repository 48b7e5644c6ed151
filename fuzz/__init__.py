"""Targets for the fuzzer, and how it is run: see README.md."""
