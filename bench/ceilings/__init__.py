"""Ceilings: how near to them the daemon keeps, how it compares with other ways, and what it costs."""
