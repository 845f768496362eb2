"""A second opinion on every decision: the authorization specification, read once more and written down slowly.

Nothing here is fast, cached by design or shared with the engine; each rule stands in one small function that quotes the specification.
"""
