"""HTTP: how the kernel and the rooms are spoken to. Knows the kernel, knows no room."""
