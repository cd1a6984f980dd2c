"""Run one SQL statement in the database of a stack, by its migrator function: python -m local.run_sql.

SQL is the statement, STACK the name of the stack. WRITE=1 permits changes. The exit status is 0, or 1 with the reason.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

DEFAULT_STACK: Final = "kalshi-markets"
OUTPUT: Final = "MigratorFunctionName"
# A repeated call could change data twice.
_CONFIG: Final = Config(connect_timeout=10, read_timeout=120, retries={"total_max_attempts": 1})


class SqlFailed(Exception):
    """Statement without a result. The message is a sentence with the reason."""


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Run the statement and print its result. Return the exit status."""
    sql, stack = environment.get("SQL", ""), environment.get("STACK") or DEFAULT_STACK
    try:
        if not sql.strip():
            raise SqlFailed('SQL is not set: make sql SQL="SELECT count(*) FROM kalshi_markets"')
        print(format_result(run(stack, {"sql": sql, "write": environment.get("WRITE", "") in ("1", "true")})))
    except (NoCredentialsError, NoRegionError) as error:
        print(f"make sql: {error} Set AWS_PROFILE and AWS_DEFAULT_REGION, as for the AWS CLI.", file=sys.stderr)
        return 1
    except (SqlFailed, BotoCoreError, ClientError) as error:
        print(f"make sql: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nmake sql: stopped. The statement may still run.", file=sys.stderr)
        return 130
    return 0


def run(stack: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the result of the stack's migrator. Raises SqlFailed and botocore's errors."""
    function = _function_name(stack)
    response = boto3.client("lambda", config=_CONFIG).invoke(FunctionName=function, Payload=json.dumps(event).encode())
    result: Mapping[str, Any] = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        raise SqlFailed(f"the function {function} failed: {result.get('errorMessage', result)}")
    if "error" in result:
        raise SqlFailed(result["error"])
    return result


def _function_name(stack: str) -> str:
    [described] = boto3.client("cloudformation", config=_CONFIG).describe_stacks(StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: str(output["OutputValue"]) for output in described.get("Outputs", [])}
    if OUTPUT not in outputs:
        raise SqlFailed(f"the stack {stack} has no output {OUTPUT}: set STACK to the stack of this service.")
    return outputs[OUTPUT]


def format_result(result: Mapping[str, Any]) -> str:
    """Return the rows as a table with aligned columns, and a line with their number."""
    if not result["columns"]:
        return "done" if result["affected"] < 0 else f"done: {_rows(result['affected'])}"
    cells = [result["columns"], *([_cell(value) for value in row] for row in result["rows"])]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_line(cells[0], widths), "  ".join("-" * width for width in widths)]
    lines += [_line(row, widths) for row in cells[1:]]
    count = _rows(len(result["rows"]))
    return "\n".join([*lines, f"({count}, truncated: there are more)" if result["truncated"] else f"({count})"])


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\n", "\\n")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _rows(number: int) -> str:
    return f"{number} row" if number == 1 else f"{number} rows"


if __name__ == "__main__":
    sys.exit(main())
