"""One engine for every resource type: no HTTP, no room, no vendor word."""
