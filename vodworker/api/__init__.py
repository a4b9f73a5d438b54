"""The service in words: one file for each family of actions."""
