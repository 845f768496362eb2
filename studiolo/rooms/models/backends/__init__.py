"""Where answers come from: models on this machine, or none."""
