"""Use cases of proof: who is calling, by which credential, and for how long."""
