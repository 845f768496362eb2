"""Where the facts about principals come from."""
