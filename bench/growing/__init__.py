"""What an event and a replica cost, and, simulated with these costs, where the next ceiling is."""
