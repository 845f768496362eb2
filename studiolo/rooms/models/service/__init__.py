"""The use cases of model calls: who calls, for which project, of which deployment, and what it used."""
