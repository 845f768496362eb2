"""Values and pure rules of the directory: what may be written of who there is."""
