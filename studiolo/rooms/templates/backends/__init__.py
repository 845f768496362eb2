"""Means by which deployments reach the kernel."""
