"""What the algorithms that fine-tune a text encoder share."""
