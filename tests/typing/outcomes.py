"""Read by the type checkers only: what handling an event may return, and what it may not.

A line that must not check says so with an ignore; where it checks after all, both checkers call the ignore an error.
"""

from vodworker.outcome import Done, Outcome, Reject, Retry

done: Outcome = Done()
nothing: Outcome = None
later: Outcome = Retry(60, "the source is not ready")
never: Outcome = Reject("no file id")

word: Outcome = "done"  # type: ignore[assignment]  # an outcome is a value of ours, not a word
truth: Outcome = True  # type: ignore[assignment]  # nor whether it went well
reasonless = Reject()  # type: ignore[call-arg]  # the operator reads the reason
unsaid: Outcome = Retry(after="60")  # type: ignore[arg-type]  # seconds
