"""Models on this machine: each in a sandboxed worker process, never in the server's own."""
