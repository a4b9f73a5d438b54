"""What all tests share: how hard the property tests try."""

from hypothesis import settings

# No deadline: two busy cores make a slow example out of any example; a test that hangs is ended by its own ten seconds.
settings.register_profile("gate", max_examples=100, deadline=None, print_blob=True)
settings.load_profile("gate")
