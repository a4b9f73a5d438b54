"""The whole path, from an event at the service to a settled entry: its CPU, its rate, its latency, and a peer's."""
