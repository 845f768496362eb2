"""Mutation testing of the engine: small faults planted in its source, one at a time, each of which the tests must notice.

operators.py   which faults      run.py   `python -m tests.access.mutation.run --help`
"""
