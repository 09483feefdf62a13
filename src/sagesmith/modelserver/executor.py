"""What a worker thread does with the invocations that have arrived: the user's functions, for one or for several."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Protocol, Tuple  # noqa: UP035

from sagesmith.modelserver import answers
from sagesmith.modelserver.errors import InvocationError
from sagesmith.modelserver.handlers import content_of
from sagesmith.modelserver.rows import MAX_BODY_BYTES, stack, stackable
from sagesmith.modelserver.streams import PieceStream, piece_of
from sagesmith.modelserver.worker import NOT_RUNNING

if TYPE_CHECKING:
    from sagesmith.modelserver.handlers import Context, Handlers, Steps
    from sagesmith.modelserver.rows import Rows
    from sagesmith.modelserver.worker import Invocation

_Read = Tuple["Invocation", "Context", Any]  # noqa: UP006
"""An invocation whose rows were read."""

_Later = Tuple["Invocation", Callable[[], None]]  # noqa: UP006
"""What may take long, of an invocation that waits together with others."""


class Delivery(Protocol):
    """Where answers go before the batch that they are of is done. Called on a worker's thread."""

    def begin(self, invocation: Invocation, answer: answers.Answer) -> PieceStream:
        """Deliver an answer whose pieces are still to come; where they go."""
        ...

    def settle(self, batch: list[Invocation]) -> None:
        """Deliver the answers that there are."""
        ...


class Executor:
    """Runs the handlers for a batch of invocations, whose answers it sets. Never raises.

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
        self._afterwards = afterwards

    def __call__(self, batch: list[Invocation]) -> None:
        if self._rows is None or self._loaded.steps is None or len(batch) == 1:
            for invocation in batch:
                self._alone(invocation)
        else:
            later = self._together(batch, self._loaded.steps, self._rows)
            if later:
                self._delivery.settle(batch)
            for invocation, answer in later:
                _guarded(invocation, answer)
        if self._afterwards is not None:
            self._afterwards()

    def _alone(self, invocation: Invocation) -> None:
        context = self._loaded.context(invocation.headers)

        def answer() -> None:
            result = self._loaded.invoke(invocation.body, invocation.content_type, invocation.accept, context)
            self._finish(invocation, context, result)

        _guarded(invocation, answer)

    def _together(self, batch: list[Invocation], steps: Steps, rows: Rows) -> list[_Later]:
        """Answer what can be answered together; what is to be done for the rest when those answers are on their way."""
        later: List[_Later] = []  # noqa: UP006
        alike: Dict[Any, List[_Read]] = {}  # noqa: UP006
        for invocation in batch:
            context = self._loaded.context(invocation.headers)
            data = None
            if len(invocation.body) <= MAX_BODY_BYTES:
                try:
                    data = self._read(invocation, context, steps, rows)
                except BaseException as error:
                    invocation.answer = failed(error)
                    continue
            if data is None:
                later.append((invocation, partial(self._alone, invocation)))
            else:
                alike.setdefault(stackable(data), []).append((invocation, context, data))
        for kind, read in alike.items():
            if kind is None or len(read) == 1 or not self._predicted(read, steps, rows, later):
                for each in read:
                    self._predict_one(each, steps, rows, later)
        return later

    @staticmethod
    def _read(invocation: Invocation, context: Context, steps: Steps, rows: Rows) -> Any:
        """The rows of a request, None if it is to be predicted by itself."""
        content = content_of(invocation.body, invocation.content_type)
        if rows.read is not None:
            return rows.read(content, invocation.content_type)
        return steps.input_fn(content, invocation.content_type, context)

    def _predicted(self, read: list[_Read], steps: Steps, rows: Rows, later: list[_Later]) -> bool:
        """Whether all of them have their answers by one prediction."""
        try:
            predictions = rows.predict(stack([data for _, _, data in read]), [len(data) for _, _, data in read])
        except BaseException:
            # One of them may be at fault: predicted alone, it fails alone.
            return False
        for (invocation, context, _), prediction in zip(read, predictions):  # noqa: B905 (Python 3.8 knows no strict)
            try:
                result = steps.output_fn(prediction, invocation.accept, context)
                self._finish(invocation, context, result, later)
            except BaseException as error:
                invocation.answer = failed(error)
        return True

    def _predict_one(self, read: _Read, steps: Steps, rows: Rows, later: list[_Later]) -> None:
        invocation, context, data = read
        try:
            prediction = steps.predict_fn(rows.wrap(data), self._loaded.model, context)
            result = steps.output_fn(prediction, invocation.accept, context)
            self._finish(invocation, context, result, later)
        except BaseException as error:
            invocation.answer = failed(error)

    def _finish(self, invocation: Invocation, context: Context, result: Any, later: list[_Later] | None = None) -> None:
        """Set the answer that a handler's return value stands for; of a stream, send all pieces, now or later.

        Raises:
            BaseException: of the handler, before the first piece.
        """
        answer = answers.with_context(answers.answer(result, context.content_type or invocation.accept), context)
        pieces = answer.pieces
        if pieces is None or isinstance(pieces, PieceStream):
            invocation.answer = answer
        elif later is None:
            self._stream(invocation, context, answer, pieces)
        else:
            later.append((invocation, partial(self._stream, invocation, context, answer, pieces)))

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
                # A handler that waits for its client is not one that hangs.
                invocation.started = NOT_RUNNING if stream.full else time.monotonic()
                wanted = stream.put(piece)
                invocation.started = time.monotonic()
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


def _guarded(invocation: Invocation, answer: Callable[[], None]) -> None:
    try:
        answer()
    except BaseException as error:
        invocation.answer = failed(error)


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
