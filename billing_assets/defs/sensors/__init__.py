"""Sensors: what changes in the app's stores is run again, and what goes wrong is told."""
