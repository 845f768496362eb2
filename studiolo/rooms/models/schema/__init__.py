"""Spellings of the wire: what bodies hold, and how they become what the service works with."""
