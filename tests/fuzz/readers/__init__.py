"""The readers that are fuzzed, by theme."""
