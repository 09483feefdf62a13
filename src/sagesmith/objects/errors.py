"""What goes wrong with an object store."""


class ObjectStoreFailed(Exception):
    """The object store cannot be started or is not what was asked for; the message says what to do."""
