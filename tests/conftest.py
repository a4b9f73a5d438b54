"""What all tests share: how hard the property tests try."""

from hypothesis import settings
from hypothesis import strategies as st

# No deadline: two busy cores make a slow example out of any example; a test that hangs is ended by its own ten seconds.
settings.register_profile("gate", max_examples=100, deadline=None, print_blob=True)
settings.load_profile("gate")

# The first text of all builds a table of all characters, some seconds of work that is then kept on disk: it is done here,
# before there are parallel tests that would each do it in their ten seconds.
st.text().validate()
