"""The use cases of blob storage; nothing here knows HTTP."""
