"""Renders the Liquid templates of workers' pages with a task's input.

What AWS adds to Liquid is here: values are escaped for HTML unless a filter says otherwise, and there are the filters
`to_json`, `skip_autoescape` and `grant_read_access`.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/sms-custom-templates-step2-automate.html,
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_RenderingError.html; the code and the words of an input
that is no S3 URI https://github.com/aws-samples/amazon-a2i-sample-task-uis/issues/8. The other codes are ours.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sagesmith.services.sagemaker.presigned import object_of

MAX_ITERATIONS = 100_000
MAX_OUTPUT_BYTES = 4_000_000
"""A page is shown whole, and the input of a task has 128,000 characters."""

Readable = Callable[[str, str], str]
"""Makes the URL by which a worker reads the object of a bucket and key."""


@dataclass(frozen=True, slots=True)
class RenderingError:
    """Why a template was not rendered, or not all of it."""

    code: str
    message: str


def rendered(template: str, task_input: Mapping[str, Any], readable: Readable) -> tuple[str, list[RenderingError]]:
    """The page of a template, empty if it cannot be made, and what is wrong with it.

    A variable that is not in the input is an error where it is shown; a test of it, or a default, is not.

    Args:
        template: Liquid and HTML.
        task_input: what the template calls `task.input`.
    """
    import liquid
    from liquid.exceptions import FilterArgumentError, LiquidError
    from markupsafe import Markup

    errors: dict[str, RenderingError] = {}

    class Missing(liquid.Undefined):
        """A variable that is nowhere."""

        def __str__(self) -> str:
            message = self.hint or f"{self.name} is undefined"
            errors[message] = RenderingError("MissingVariable", message)
            return ""

    class Pages(liquid.Environment):
        """Liquid with an end: a template is anybody's program."""

        loop_iteration_limit = MAX_ITERATIONS
        output_stream_limit = MAX_OUTPUT_BYTES
        local_namespace_limit = MAX_OUTPUT_BYTES

    def to_json(value: object) -> str:
        return Markup(json.dumps(value, ensure_ascii=False, default=str))  # noqa: S704 as AWS has it: `escape` is the template's

    def skip_autoescape(value: object) -> str:
        return Markup(value)  # noqa: S704 what it is for

    def grant_read_access(value: object) -> str:
        found = object_of(str(value))
        if found is None:
            raise FilterArgumentError(f'"grant_read_access" input is not a valid S3 URI: "{value}".', token=None)
        return readable(*found)

    pages = Pages(undefined=Missing, autoescape=True)
    for each in (to_json, skip_autoescape, grant_read_access):
        pages.add_filter(each.__name__, each)
    try:
        content = pages.from_string(template).render(task={"input": task_input})
    except FilterArgumentError as error:
        return "", [*errors.values(), RenderingError("InvalidParameters", str(error.message))]
    except LiquidError as error:
        return "", [*errors.values(), RenderingError("InvalidTemplate", str(error.message))]
    return content, list(errors.values())
