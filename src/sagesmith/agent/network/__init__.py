"""The network of a task: what user code can reach, and what it cannot."""
