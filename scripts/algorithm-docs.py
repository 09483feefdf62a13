"""Writes docs/algorithms/<name>.md and the table in docs/algorithms/index.md from the algorithms' declarations.

Usage: scripts/algorithm-docs.py [--check]
"""

import difflib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from sagesmith.algorithms import catalogue  # noqa: E402
from sagesmith.algorithms.declaration import Algorithm, Channel, Metric  # noqa: E402
from sagesmith.algorithms.hyperparameters import Hyperparameter, Tunable  # noqa: E402

DOCS = ROOT / "docs" / "algorithms"
INDEX = DOCS / "index.md"
BEGIN, END = "<!-- algorithms: begin -->", "<!-- algorithms: end -->"
NOTE = "<!-- Made by scripts/algorithm-docs.py from the algorithm's declaration. -->"


def main(check: bool) -> int:
    algorithms = sorted(map(catalogue.algorithm, catalogue.NAMES), key=lambda each: each.title.lower())
    pages = {DOCS / f"{each.name.replace('_', '-')}.md": page(each) for each in algorithms}
    pages[INDEX] = _between(INDEX.read_text(encoding="utf-8"), overview(algorithms))
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if not check:
        for path in stale:
            path.write_text(pages[path], encoding="utf-8")
        return 0
    for path in stale:
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        diff = list(difflib.unified_diff(old.splitlines(), pages[path].splitlines(), lineterm=""))[:8]
        sys.stderr.write("\n".join([f"{path.relative_to(ROOT)} is stale: run scripts/algorithm-docs.py", *diff, ""]))
    return bool(stale)


def overview(algorithms: list[Algorithm]) -> str:
    rows = [
        f"| [{each.title}]({each.name.replace('_', '-')}.md) | {_code(each.repositories)} | "
        f"{_code(each.channels[0].content_types)} | {_code(each.content_types)} | "
        f"{'several' if each.instances else 'one'} |"
        for each in algorithms
    ]
    head = ["| algorithm | image | training data | requests | instances |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def page(algorithm: Algorithm) -> str:
    parts = [
        f"# {algorithm.title}\n\n{NOTE}",
        algorithm.summary,
        _images(algorithm),
        "## Channels\n\n" + _channels(algorithm.channels),
        "## Hyperparameters\n\n" + _hyperparameters(algorithm.schema.parameters),
        "## Metrics\n\n" + _metrics(algorithm.metrics),
        "## Requests and answers\n\n"
        f"Requests: {_code(algorithm.content_types)}. Answers: {_code(algorithm.accepts)}; the first where a request "
        "does not say which.",
    ]
    if algorithm.examples:
        examples = [f"### {each.title}\n\n```python\n{each.code.strip()}\n```" for each in algorithm.examples]
        parts.append("## Examples\n\n" + "\n\n".join(examples))
    if algorithm.models and algorithm.models != algorithm.repositories:
        parts.append("## Models of JumpStart\n\n" + _code(algorithm.models))
    if algorithm.differences:
        parts.append("## Differences from AWS\n\n" + "\n".join(f"* {each}" for each in algorithm.differences))
    parts.append("## Sources\n\n" + "\n".join(f"* {_link(each)}" for each in algorithm.sources))
    return "\n\n".join(parts) + "\n"


def _images(algorithm: Algorithm) -> str:
    sentences = [
        f"Images: {_code(algorithm.repositories)}.",
        _instances(algorithm),
    ]
    if algorithm.incremental:
        sentences.append("Goes on from an earlier model in the channel `model`.")
    if algorithm.artifact:
        sentences.append(f"Model artifact: {algorithm.artifact}.")
    return " ".join(sentences)


def _instances(algorithm: Algorithm) -> str:
    name, value = algorithm.instances_with or ("", "")
    several = f"one or several instances{f' (several with `{name}={value}` alone)' if name else ''}"
    count = several if algorithm.instances else "one instance (a job of more is refused)"
    return f"Trains on {count}, here of any type; on AWS of the class {algorithm.hardware}."


def _channels(channels: tuple[Channel, ...]) -> str:
    rows = [
        f"| `{each.name}`{' (required)' if each.required else ''} | {each.meaning} | {_code(each.content_types)} | "
        f"{', '.join(each.modes)} | {each.distribution} |"
        for each in channels
    ]
    return "\n".join(["| channel | for | content types | modes | several instances |", "|---|---|---|---|---|", *rows])


def _hyperparameters(parameters: tuple[Hyperparameter, ...]) -> str:
    head = ["| hyperparameter | meaning | values | default | tuning |", "|---|---|---|---|---|"]
    rows = [
        f"| `{each.name}` | {_cell(each.meaning)} | {_cell(each.range)} | {_default(each)} | {_tunable(each.tunable)} |"
        for each in sorted(parameters, key=lambda each: (not each.required, each.name))
    ]
    return "\n".join([*head, *rows])


def _default(parameter: Hyperparameter) -> str:
    if parameter.required:
        return "required"
    if parameter.default is None:
        return _cell(parameter.chosen) or "none"
    value = parameter.default
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _tunable(tunable: Tunable | None) -> str:
    if tunable is None:
        return "no"
    if tunable.categories:
        return _code(tunable.categories)
    if tunable.low is None or tunable.high is None:
        return "yes"
    return f"{tunable.low:.10g} to {tunable.high:.10g}"


def _metrics(metrics: tuple[Metric, ...]) -> str:
    rows = [f"| `{each.name}` | {_cell(each.meaning)} | {each.goal or 'no'} |" for each in metrics]
    return "\n".join(["| metric | meaning | objective of tuning |", "|---|---|---|", *rows])


def _between(text: str, table: str) -> str:
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _code(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _link(source: str) -> str:
    return f"<{source}>" if source.startswith("http") else source


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
