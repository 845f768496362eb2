"""The use cases of the record: pages and decisions, exports."""
