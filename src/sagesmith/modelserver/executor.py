"""What a worker thread does with the invocations that have arrived: the user's functions, for one or for several."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Tuple  # noqa: UP035

from sagesmith.modelserver import answers
from sagesmith.modelserver.errors import InvocationError
from sagesmith.modelserver.handlers import content_of
from sagesmith.modelserver.rows import MAX_BODY_BYTES, stack, stackable

if TYPE_CHECKING:
    from sagesmith.modelserver.handlers import Context, Handlers, Steps
    from sagesmith.modelserver.rows import Rows
    from sagesmith.modelserver.worker import Invocation

_Read = Tuple["Invocation", "Context", Any]  # noqa: UP006
"""An invocation whose rows were read."""


class Executor:
    """Runs the handlers for a batch of invocations, whose answers it sets. Never raises.

    Args:
        rows: how the model predicts several requests at once, None if it does not.
        afterwards: called after each batch.
    """

    def __init__(
        self, loaded: Handlers, rows: Rows | None = None, afterwards: Callable[[], None] | None = None
    ) -> None:
        self._loaded = loaded
        self._rows = rows
        self._afterwards = afterwards

    def __call__(self, batch: list[Invocation]) -> None:
        if self._rows is None or self._loaded.steps is None or len(batch) == 1:
            for invocation in batch:
                self._alone(invocation)
        else:
            self._together(batch, self._loaded.steps, self._rows)
        if self._afterwards is not None:
            self._afterwards()

    def _alone(self, invocation: Invocation) -> None:
        context = self._loaded.context(invocation.headers)
        try:
            result = self._loaded.invoke(invocation.body, invocation.content_type, invocation.accept, context)
            invocation.answer = _answer(result, invocation, context)
        except BaseException as error:
            invocation.answer = failed(error)

    def _together(self, batch: list[Invocation], steps: Steps, rows: Rows) -> None:
        alike: Dict[Any, List[_Read]] = {}  # noqa: UP006
        for invocation in batch:
            if len(invocation.body) > MAX_BODY_BYTES:
                self._alone(invocation)
                continue
            context = self._loaded.context(invocation.headers)
            try:
                content = content_of(invocation.body, invocation.content_type)
                if rows.read is not None:
                    data = rows.read(content, invocation.content_type)
                else:
                    data = steps.input_fn(content, invocation.content_type, context)
            except BaseException as error:
                invocation.answer = failed(error)
                continue
            if data is None:
                self._alone(invocation)
            else:
                alike.setdefault(stackable(data), []).append((invocation, context, data))
        for kind, read in alike.items():
            if kind is None or len(read) == 1 or not self._predicted(read, steps, rows):
                for each in read:
                    self._predict_one(each, steps, rows)

    def _predicted(self, read: list[_Read], steps: Steps, rows: Rows) -> bool:
        """Whether all of them have their answers by one prediction."""
        try:
            predictions = rows.predict(stack([data for _, _, data in read]), [len(data) for _, _, data in read])
        except BaseException:
            # One of them may be at fault: predicted alone, it fails alone.
            return False
        for (invocation, context, _), prediction in zip(read, predictions):  # noqa: B905 (Python 3.8 knows no strict)
            try:
                result = steps.output_fn(prediction, invocation.accept, context)
                invocation.answer = _answer(result, invocation, context)
            except BaseException as error:
                invocation.answer = failed(error)
        return True

    def _predict_one(self, read: _Read, steps: Steps, rows: Rows) -> None:
        invocation, context, data = read
        try:
            prediction = steps.predict_fn(rows.wrap(data), self._loaded.model, context)
            result = steps.output_fn(prediction, invocation.accept, context)
            invocation.answer = _answer(result, invocation, context)
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


def _answer(result: Any, invocation: Invocation, context: Context) -> answers.Answer:
    answer = answers.answer(result, context.content_type or invocation.accept)
    if context.status is not None:
        return answers.Answer(context.status, answer.content_type, answer.body)
    return answer
