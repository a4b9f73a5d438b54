"""The service itself on a laptop: signature, queue, ceilings, tasks and their events, as the real one would."""
