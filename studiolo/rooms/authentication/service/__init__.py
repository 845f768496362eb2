"""Use cases of identity: who is calling, with what proof, and on what grounds something was allowed."""
