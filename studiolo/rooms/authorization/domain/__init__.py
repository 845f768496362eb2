"""Values and pure rules of rights: what a role may say, who holds it where, what is denied."""
