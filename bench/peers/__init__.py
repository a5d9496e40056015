"""The sides of bench.train, each a process of its own that says a line after each epoch."""
