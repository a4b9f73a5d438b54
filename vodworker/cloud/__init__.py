"""The edge towards the service: client, queue, limiter, upload."""
