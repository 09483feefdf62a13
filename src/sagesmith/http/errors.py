"""What goes wrong between us and a peer that we ask.

ConnectionError
├── ConnectFailed    no connection
└── FramesRefused    no connection of frames
TimeoutError
└── TimedOut         no answer, or no more of it
Exception
└── BadAnswer        an answer that is none
"""


class ConnectFailed(ConnectionError):
    """No connection: the peer saw nothing of the request, which may be sent again."""


class FramesRefused(ConnectionError):
    """The peer is not there, or does not know frames."""


class TimedOut(TimeoutError):
    """The peer took too long to answer, to send on, or to take more; what it did with the request is not known."""


class BadAnswer(Exception):
    """The peer's answer is not HTTP."""
