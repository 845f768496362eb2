"""Use cases of rights: on what grounds something is allowed, and who may change that."""
