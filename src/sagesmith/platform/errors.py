"""Why a platform could not be started.

StartFailed
└── PortTaken
"""


class StartFailed(Exception):
    """The platform could not be started; the message says what failed and what to do."""


class PortTaken(StartFailed):
    """An address cannot be listened on; the message says which, why and what to do."""
