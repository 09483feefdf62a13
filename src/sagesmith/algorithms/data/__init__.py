"""Training data and requests as arrays: each format a module, `read.py` for channels, `decode.py` for requests."""
