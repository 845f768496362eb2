"""Values and pure rules of proof: what a token must hold, where an answer may go, which password is taken."""
