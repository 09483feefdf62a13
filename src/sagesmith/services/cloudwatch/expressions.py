"""Metric math: expressions over time series, evaluated moment by moment.

An expression is Python's grammar of arithmetic, comparisons, calls and lists, with `^` for powers; its syntax tree is
walked here, nothing is executed. What CloudWatch has beyond that is refused by name.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import ast
import math
import operator
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from sagesmith.services.cloudwatch.arithmetic import ExpressionFailed, Operation, Series, Value, combine, one, several

_MAX_DEPTH = 50


class ExpressionNotBuilt(Exception):
    """The expression uses what is not implemented; the message names it."""


class Variables(Protocol):
    """What the names in an expression mean."""

    def series(self, name: str) -> list[Series]:
        """The result of a query, by its id. Raises `ExpressionFailed` if there is none."""
        ...

    def metrics(self, part: str) -> list[Series]:
        """The results of all queries of metrics whose id has this part."""
        ...

    def period(self, name: str) -> int:
        """The period of a query, in seconds."""
        ...

    def times(self) -> Sequence[int]:
        """The times at which there could be values, in their order."""
        ...


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression.

    Attributes:
        names: the ids that it refers to.
    """

    tree: ast.expr
    names: frozenset[str]

    def value(self, variables: Variables) -> list[Series]:
        """Its time series.

        Raises:
            ExpressionFailed: it has none.
        """
        found = _evaluate(self.tree, variables)
        if isinstance(found, float):
            raise ExpressionFailed("the expression must return a time series, and it returns a number")
        return found if isinstance(found, list) else [found]


def parse(text: str) -> Expression:
    """
    Raises:
        ExpressionFailed: it is not an expression.
        ExpressionNotBuilt: it is one that is not implemented.
    """
    start = text.lstrip().upper()
    for word, what in (("SELECT", "Metrics Insights queries are"), ("SEARCH", "SEARCH expressions are")):
        if start.startswith(word):
            raise ExpressionNotBuilt(f"{what} not implemented.")
    try:
        tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionFailed("it is not a valid expression") from error
    names: set[str] = set()
    _check(tree, names, 0)
    return Expression(tree, frozenset(names))


def _check(node: ast.AST, names: set[str], depth: int) -> None:
    """Refuse what is not implemented before anything is evaluated, and note the names."""
    if depth > _MAX_DEPTH:
        raise ExpressionFailed("it is nested too deeply")
    below: Sequence[ast.AST]
    match node:
        case ast.BinOp(left, op, right) | ast.Compare(left, [op], [right]) if type(op) in _OPERATIONS:
            below = (left, right)
        case ast.UnaryOp(ast.USub() | ast.UAdd(), operand):
            below = (operand,)
        case ast.Constant(int() | float() | str()):
            below = ()
        case ast.Name(name):
            names.add(name)
            below = ()
        case ast.List(elements):
            below = elements
        case ast.Call(ast.Name(function), arguments, []):
            if function.upper() not in _FUNCTIONS:
                raise ExpressionNotBuilt(f"The function {function} is not implemented.")
            # REPEAT is a word of FILL's, not the id of a query.
            below = [each for each in arguments if not (isinstance(each, ast.Name) and each.id in _FILLS)]
        case _:
            raise ExpressionNotBuilt(f"Metric math with {type(node).__name__} is not implemented.")
    for each in below:
        _check(each, names, depth + 1)


def _evaluate(node: ast.expr, variables: Variables) -> Value:
    match node:
        case ast.BinOp(left, op, right) | ast.Compare(left, [op], [right]):
            operation = _OPERATIONS[type(op)]
            return combine(operation, _evaluate(left, variables), _evaluate(right, variables))
        case ast.UnaryOp(op, operand):
            sign = -1.0 if isinstance(op, ast.USub) else 1.0
            return combine(operator.mul, sign, _evaluate(operand, variables))
        case ast.Constant(int() | float() as number):
            return float(number)
        case ast.Name(name):
            return one(variables.series(name), name)
        case ast.List(elements):
            return [each for element in elements for each in several(_evaluate(element, variables))]
        case ast.Call(ast.Name(function), arguments, []):
            return _FUNCTIONS[function.upper()](arguments, variables)
    raise ExpressionFailed("a text stands where a value should")


_OPERATIONS: dict[type, Operation] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
Arguments = list[ast.expr]
Function = Callable[[Arguments, Variables], Value]


def _arguments(given: Arguments, variables: Variables, count: int) -> list[Value]:
    if len(given) != count:
        raise ExpressionFailed(f"a function takes {count} arguments and has {len(given)}")
    return [_evaluate(each, variables) for each in given]


def _elementwise(function: Callable[[float], float]) -> Function:
    def call(given: Arguments, variables: Variables) -> Value:
        (value,) = _arguments(given, variables, 1)
        return combine(lambda _, each: function(each), 0.0, value)

    return call


def _reduction(function: Callable[[list[float]], float]) -> Function:
    """Of one series the number for all of it; of several, the series of the numbers for each moment."""

    def call(given: Arguments, variables: Variables) -> Value:
        (value,) = _arguments(given, variables, 1)
        if isinstance(value, float):
            return value
        if not isinstance(value, list):
            return function(list(value.values())) if value else 0.0
        times = sorted({at for each in value for at in each})
        return {at: function([each[at] for each in value if at in each]) for at in times}

    return call


def _difference(per_second: bool) -> Function:
    def call(given: Arguments, variables: Variables) -> Value:
        (value,) = _arguments(given, variables, 1)
        made: list[Series] = [
            {
                after: (each[after] - each[before]) / (after - before if per_second else 1)
                for before, after in pairwise(sorted(each))
            }
            for each in several(value)
        ]
        return made if isinstance(value, list) else made[0]

    return call


_FILLS = frozenset({"REPEAT", "LINEAR"})


def _fill(given: Arguments, variables: Variables) -> Value:
    if len(given) != 2:
        raise ExpressionFailed(f"FILL takes 2 arguments and has {len(given)}")
    value, with_what = _evaluate(given[0], variables), given[1]
    if isinstance(with_what, ast.Name) and with_what.id == "LINEAR":
        raise ExpressionNotBuilt("FILL with LINEAR is not implemented.")
    repeats = isinstance(with_what, ast.Name) and with_what.id == "REPEAT"
    fill = None if repeats else _evaluate(with_what, variables)
    if not (repeats or isinstance(fill, float)):
        raise ExpressionFailed("FILL takes a number or REPEAT")
    made = [_filled(each, fill if isinstance(fill, float) else None, variables.times()) for each in several(value)]
    return made if isinstance(value, list) else made[0]


def _filled(series: Series, fill: float | None, times: Sequence[int]) -> Series:
    made: dict[int, float] = {}
    last = fill
    for at in sorted({*times, *series}):
        if at in series:
            last = series[at] if fill is None else fill
        value = series.get(at, last)
        if value is not None:
            made[at] = value
    return made


def _if(given: Arguments, variables: Variables) -> Value:
    condition, then, otherwise = (
        _arguments(given, variables, 3) if len(given) == 3 else [*_arguments(given, variables, 2), {}]
    )
    if isinstance(condition, float):
        return then if condition else otherwise
    if isinstance(condition, list) or isinstance(then, list) or isinstance(otherwise, list):
        raise ExpressionFailed("IF takes time series, not arrays of them")
    made = {}
    for at, holds in condition.items():
        chosen = then if holds else otherwise
        value = chosen if isinstance(chosen, float) else chosen.get(at)
        if value is not None:
            made[at] = value
    return made


def _metrics(given: Arguments, variables: Variables) -> Value:
    match given:
        case []:
            return variables.metrics("")
        case [ast.Constant(str() as part)]:
            return variables.metrics(part)
    raise ExpressionFailed("METRICS takes a text or nothing")


def _metric_count(given: Arguments, variables: Variables) -> Value:
    (value,) = _arguments(given, variables, 1)
    return float(len(several(value)))


def _period(given: Arguments, variables: Variables) -> Value:
    match given:
        case [ast.Name(name)]:
            return float(variables.period(name))
    raise ExpressionFailed("PERIOD takes the id of a metric")


_FUNCTIONS: dict[str, Function] = {
    "ABS": _elementwise(abs),
    "AVG": _reduction(statistics.fmean),
    "CEIL": _elementwise(math.ceil),
    "DIFF": _difference(per_second=False),
    "FILL": _fill,
    "FLOOR": _elementwise(math.floor),
    "IF": _if,
    "LOG": _elementwise(math.log),
    "LOG10": _elementwise(math.log10),
    "MAX": _reduction(max),
    "METRICS": _metrics,
    "METRIC_COUNT": _metric_count,
    "MIN": _reduction(min),
    "PERIOD": _period,
    "RATE": _difference(per_second=True),
    "STDDEV": _reduction(statistics.pstdev),
    "SUM": _reduction(math.fsum),
}


def failure(identifier: str, error: ExpressionFailed) -> str:
    """What is said of an expression that failed."""
    return f"Error in expression '{identifier}' [{error}]"
