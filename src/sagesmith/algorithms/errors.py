"""What goes wrong in an algorithm, in the words that become a job's FailureReason or an endpoint's answer.

Failure
├── CustomerError                the data, the hyperparameters or the model artifact are at fault: "ClientError: …"
│   ├── Unreadable               data are at fault, and there is a place to name
│   ├── NoData                   a channel has no rows
│   └── BadRequest               a request is not what its content type says, or not what the model takes
│       ├── NoContent
│       ├── UnsupportedContentType
│       └── UnsupportedAccept
└── AlgorithmError               the algorithm cannot go on for a reason of its own: "AlgorithmError: …"
"""


class Failure(Exception):
    """Ends a training job, or a request.

    Attributes:
        prefix: how AWS's FailureReason begins.
    """

    prefix = "AlgorithmError"

    def __str__(self) -> str:
        return " ".join(str(argument) for argument in self.args)

    @property
    def reason(self) -> str:
        return f"{self.prefix}: {self}"


class CustomerError(Failure):
    prefix = "ClientError"


class Unreadable(CustomerError):
    """Data that is not what it should be.

    Args:
        place: where it stands: the file, and the line and column or the record.
        why: what is wrong there.
    """

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"Unable to read data in {place}: {why}")
        self.place = place
        self.why = why


class NoData(CustomerError):
    pass


class BadRequest(CustomerError):
    pass


class NoContent(BadRequest):
    """The request has nothing in it, and neither has the answer: HTTP's 204, of algorithms that answer so."""


class UnsupportedContentType(BadRequest):
    pass


class UnsupportedAccept(BadRequest):
    pass


class AlgorithmError(Failure):
    pass
