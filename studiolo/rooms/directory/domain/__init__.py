"""Values and pure rules of identity: who there is, what a role may say, what a token must hold."""
