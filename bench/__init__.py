"""Measurements: each module is run by itself, `python -m bench.replicas`, and prints its figures."""
