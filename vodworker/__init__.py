"""vodworker: an event-driven worker daemon for Tencent Cloud VOD."""
