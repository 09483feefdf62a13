"""What a worker thread does with the invocations that have arrived: the user's functions, for one or for several."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Protocol, Tuple  # noqa: UP035

from sagesmith.modelserver import answers
from sagesmith.modelserver.errors import InvocationError
from sagesmith.modelserver.handlers import content_of
from sagesmith.modelserver.rows import stack, stackable
from sagesmith.modelserver.streams import PieceStream, piece_of

if TYPE_CHECKING:
    from sagesmith.modelserver.handlers import Context, Handlers, Steps
    from sagesmith.modelserver.rows import Rows
    from sagesmith.modelserver.worker import Invocation, Left

_Read = Tuple["Invocation", "Context", Any]  # noqa: UP006
"""An invocation whose rows were read."""


class Delivery(Protocol):
    """Where invocations go from a worker, whose thread calls this: each is settled, once, or left."""

    def begin(self, invocation: Invocation, answer: answers.Answer) -> PieceStream:
        """Deliver an answer whose pieces are still to come; where they go."""
        ...

    def settle(self, invocation: Invocation) -> None:
        """Deliver an answer."""
        ...

    def leave(self, left: Iterable[Left]) -> None:
        """Let any worker do the rest for invocations, each by itself."""
        ...

    def calls(self) -> None:
        """A handler is about to be called: one that takes too long is told by the time since."""
        ...

    def waits(self) -> None:
        """A client is about to be waited for."""
        ...


class Executor:
    """Runs the handlers for a batch of invocations: answers what can be predicted together, and leaves the others to
    any worker, for theirs may take long. Never raises.

    Args:
        rows: how the model predicts several requests at once, None if it does not.
        afterwards: called after each batch.
    """

    def __init__(
        self,
        loaded: Handlers,
        delivery: Delivery,
        rows: Rows | None = None,
        afterwards: Callable[[], None] | None = None,
    ) -> None:
        self._loaded = loaded
        self._delivery = delivery
        self._rows = rows
        self._least = 1 if rows is not None and rows.for_one else 2
        """So many requests are predicted together."""
        self._afterwards = afterwards

    def __call__(self, batch: list[Invocation]) -> None:
        if batch[0].rest is not None:
            self._settled(batch[0], batch[0].rest)
        elif self._rows is None or self._loaded.steps is None or len(batch) < self._least:
            for invocation in batch:
                self._settled(invocation, partial(self._alone, invocation))
        else:
            self._together(batch, self._loaded.steps, self._rows)
        if self._afterwards is not None:
            self._afterwards()

    def _settled(self, invocation: Invocation, answer: Callable[[], None]) -> None:
        try:
            answer()
        except BaseException as error:
            invocation.answer = failed(error)
        self._delivery.settle(invocation)

    def _alone(self, invocation: Invocation) -> None:
        context = self._loaded.context(invocation.headers)
        result = self._loaded.invoke(invocation.body, invocation.content_type, invocation.accept, context)
        self._finish(invocation, context, result)

    def _together(self, batch: list[Invocation], steps: Steps, rows: Rows) -> None:
        left: List[Left] = []  # noqa: UP006
        alike: Dict[Any, List[_Read]] = {}  # noqa: UP006
        for invocation in batch:
            context = self._loaded.context(invocation.headers)
            self._delivery.calls()
            try:
                data = self._read(invocation, context, steps, rows)
                kind = None if data is None else stackable(data)
            except BaseException as error:
                self._fail(invocation, error)
                continue
            if data is None:
                left.append((invocation, partial(self._alone, invocation)))
            else:
                alike.setdefault(kind, []).append((invocation, context, data))
        apart = [each for kind, read in alike.items() if kind is None or len(read) < self._least for each in read]
        self._delivery.leave(left + self._one_by_one(apart, steps, rows))
        for kind, read in alike.items():
            if kind is not None and len(read) >= self._least:
                self._delivery.leave(self._predicted(read, steps, rows))

    @staticmethod
    def _read(invocation: Invocation, context: Context, steps: Steps, rows: Rows) -> Any:
        """The rows of a request, None if it is to be predicted by itself."""
        content = content_of(invocation.body, invocation.content_type)
        if rows.read is not None:
            return rows.read(content, invocation.content_type)
        return steps.input_fn(content, invocation.content_type, context)

    def _predicted(self, read: list[_Read], steps: Steps, rows: Rows) -> list[Left]:
        """Answer requests by one prediction; what is left of them."""
        self._delivery.calls()
        try:
            predictions = rows.predict(stack([data for _, _, data in read]), [len(data) for _, _, data in read])
        except BaseException:
            # One of them may be at fault: predicted alone, it fails alone.
            return self._one_by_one(read, steps, rows)
        left: List[Left] = []  # noqa: UP006
        for (invocation, context, _), prediction in zip(read, predictions):  # noqa: B905 (Python 3.8 knows no strict)
            self._delivery.calls()
            try:
                answer, pieces = self._answer(
                    invocation, context, steps.output_fn(prediction, invocation.accept, context)
                )
            except BaseException as error:
                self._fail(invocation, error)
                continue
            if pieces is None:
                invocation.answer = answer
                self._delivery.settle(invocation)
            else:
                left.append((invocation, partial(self._stream, invocation, context, answer, pieces)))
        return left

    def _one_by_one(self, read: list[_Read], steps: Steps, rows: Rows) -> list[Left]:
        return [(each[0], partial(self._predict_one, each, steps, rows)) for each in read]

    def _predict_one(self, read: _Read, steps: Steps, rows: Rows) -> None:
        invocation, context, data = read
        prediction = steps.predict_fn(rows.wrap(data), self._loaded.model, context)
        self._finish(invocation, context, steps.output_fn(prediction, invocation.accept, context))

    def _finish(self, invocation: Invocation, context: Context, result: Any) -> None:
        """Set the answer that a handler's return value stands for; of a stream, send all pieces.

        Raises:
            BaseException: of the handler, before the first piece.
        """
        answer, pieces = self._answer(invocation, context, result)
        if pieces is None:
            invocation.answer = answer
        else:
            self._stream(invocation, context, answer, pieces)

    @staticmethod
    def _answer(invocation: Invocation, context: Context, result: Any) -> tuple[answers.Answer, Iterator[Any] | None]:
        """What a handler's return value stands for, and the pieces that the handler still has to make."""
        answer = answers.with_context(answers.answer(result, context.content_type or invocation.accept), context)
        return answer, None if isinstance(answer.pieces, PieceStream) else answer.pieces

    def _fail(self, invocation: Invocation, error: BaseException) -> None:
        invocation.answer = failed(error)
        self._delivery.settle(invocation)

    def _stream(self, invocation: Invocation, context: Context, answer: answers.Answer, pieces: Iterator[Any]) -> None:
        # Until there is a first piece, the handler may fail with a status of its own, and set headers.
        first = next(pieces, None)
        answer = answers.with_context(answer, context)
        if first is None:
            invocation.answer = replace(answer, pieces=None)
            return
        piece = piece_of(first)
        stream = self._delivery.begin(invocation, answer)
        try:
            while True:
                if stream.full:
                    self._delivery.waits()
                wanted = stream.put(piece)
                self._delivery.calls()
                following = next(pieces, stream) if wanted else stream
                if following is stream:
                    break
                piece = piece_of(following)
        except BaseException as error:
            print_exception(error)
            stream.end(failed=True)
        else:
            stream.end()
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                with contextlib.suppress(BaseException):
                    close()


def failed(error: BaseException) -> answers.Answer:
    """The answer to an invocation whose handler raised: whatever that was, `sys.exit()` included, ends this invocation
    and no other."""
    if not isinstance(error, InvocationError):
        print_exception(error)
    return answers.failure(answers.from_exception(error))


def print_exception(error: BaseException) -> None:
    """The traceback from the user's first frame on: the frames above it are ours and say nothing to its reader."""
    here = os.path.dirname(__file__)  # noqa: PTH120
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None and frames.tb_frame.f_code.co_filename.startswith(here):
        frames = frames.tb_next
    traceback.print_exception(type(error), error, frames, file=sys.stderr)
