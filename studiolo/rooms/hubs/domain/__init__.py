"""The rules of workspaces."""
