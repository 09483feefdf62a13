"""What goes wrong in an algorithm, in the words that become a job's FailureReason or an endpoint's answer.

Failure
├── CustomerError                the data, the hyperparameters or the model artifact are at fault: "ClientError: …"
│   └── BadRequest               a request is not what its content type says, or not what the model takes
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


class BadRequest(CustomerError):
    pass


class UnsupportedContentType(BadRequest):
    pass


class UnsupportedAccept(BadRequest):
    pass


class AlgorithmError(Failure):
    pass
