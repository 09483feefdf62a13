"""What goes wrong in an algorithm, in the words that become a job's FailureReason or an endpoint's answer.

Failure
├── CustomerError     the data, the hyperparameters or the model artifact are at fault: "ClientError: …"
└── AlgorithmError    the algorithm cannot go on for a reason of its own: "AlgorithmError: …"
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


class AlgorithmError(Failure):
    pass
