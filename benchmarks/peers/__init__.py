"""The model servers that ours is measured against: each serves the same model as its own documentation says to."""
