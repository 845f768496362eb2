"""Use cases of the directory: who somebody is, what applications prove themselves with, what goes with a principal."""
