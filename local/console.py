"""Console output: lines with the name of the component in front."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

_LOGGER_FIELDS: Final = {
    *("level", "location", "message", "timestamp", "service", "sampling_rate", "cold_start", "xray_trace_id"),
    *("function_name", "function_memory_size", "function_arn", "function_request_id", "correlation_id"),
    *("exception", "exception_name", "stack_trace", "taskName"),
}
"""Fields that Powertools writes to every log line. All other fields belong to the message."""
_PROGRESS_LEVELS: Final = ("DEBUG", "INFO")


def echo(component: str, text: str) -> None:
    """Print one or more lines of a component."""
    try:
        for line in text.splitlines() or [""]:
            print(f"{component:<10} {line}", flush=True)
    except BrokenPipeError:
        # The reader closed the pipe (`| head`, or `| tee` at Ctrl+C): the run and its shutdown go on without output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def function_log(component: str, *, progress: bool = False, verbose: bool = False) -> Callable[[str], None]:
    """Return a function that formats the log lines of a Lambda function and prints them.

    progress: print INFO lines too.
    verbose: print INFO lines and the stack traces of errors.
    """

    def show(line: str) -> None:
        if text := _format(line, progress=progress or verbose, stacks=verbose):
            echo(component, text)

    return show


def _format(line: str, *, progress: bool, stacks: bool) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        # The runtime client joins the lines of a handler's error with \r. The caller of the function reports it, too.
        return line.replace("\r", "\n").rstrip() if stacks or not line.startswith("[ERROR] ") else ""
    if "_aws" in record:  # a metric in CloudWatch's embedded format
        return ""
    level = str(record.get("level", "INFO"))
    if level in _PROGRESS_LEVELS and not progress:
        return ""
    extras = _pairs({name: value for name, value in record.items() if name not in _LOGGER_FIELDS})
    fields = ["" if level in _PROGRESS_LEVELS else level, str(record.get("message", "")), extras]
    stack = str(record.get("exception", "")) if stacks else ""
    return " ".join(word for word in fields if word) + (f"\n{stack}" if stack else "")


def _pairs(values: Mapping[str, Any]) -> str:
    """Format name=value pairs. Empty values are left out; numbers are not, even zero."""
    return " ".join(f"{name}={_value(value)}" for name, value in values.items() if value or type(value) in (int, float))


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case str():
            return json.dumps(value, ensure_ascii=False) if " " in value else value
        case list():
            return ",".join(_value(item) for item in value)
        case _:
            return json.dumps(value, ensure_ascii=False)
