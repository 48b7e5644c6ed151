"""Sluice: a gateway between HTTP and an event log."""

__version__ = "0.1.0"
