"""Lines for people: who speaks, and what is going on."""

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
"""Powertools writes these with every line; what else stands there is the line's own."""
_PROGRESS_LEVELS: Final = ("DEBUG", "INFO")


def echo(component: str, text: str) -> None:
    """A line, or several, from one part of the system."""
    try:
        for line in text.splitlines() or [""]:
            print(f"{component:<10} {line}", flush=True)
    except BrokenPipeError:
        # Who read along is gone, as after `| head`, or `| tee` at Ctrl+C: the work goes on, and so does the stopping.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def function_log(component: str, *, progress: bool = False, verbose: bool = False) -> Callable[[str], None]:
    """Takes the lines that a function writes, shows those worth it.

    progress: its INFO lines, too. verbose: these, and the stacks of its errors.
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
        # The runtime client reports a handler's error with \r between its lines; who invoked it tells it, too.
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
    """name=value, without what says nothing; a zero does."""
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
