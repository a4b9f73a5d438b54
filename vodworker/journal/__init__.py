"""The journal: one port, an adapter for each engine."""
