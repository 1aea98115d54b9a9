"""Tests; see the docstring of each module."""
