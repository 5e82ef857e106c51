"""Moola: label, learn and review expansions in 105-bar market windows."""

__version__ = "0.1.0"
