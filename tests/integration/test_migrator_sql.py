"""Statements of operators: the migrator's event {"sql": …} and the command that sends it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

from kalshi_markets.database import Database
from local import ROOT, run_sql
from local.lambda_runtime.lambda_errors import FunctionError
from migrator.handler import handler
from migrator.sql import MAX_BYTES, MAX_ROWS, STATEMENT_SECONDS
from tests.support.api_client import Context, variables
from tests.support.http_server import HttpServer, Request, Response
from tests.support.sandboxes import SandboxedFunction, sandboxes

SECRET = "a value that nobody may log"


@pytest.fixture(scope="module")
def migrator(environment: dict[str, str]) -> Iterator[SandboxedFunction]:
    """Run the function in the real runtime. Its output must not contain the value of a statement."""
    with sandboxes([environment["DB_PASSWORD"], SECRET]) as functions:
        yield functions.start("migrator", environment | {"DB_SSLMODE": "disable"})


def test_values_have_their_json_types_or_are_postgresqls_text(migrator: SandboxedFunction) -> None:
    values = {
        "1::int8 << 60": 1 << 60,
        "true": True,
        "1.5::float8": 1.5,
        "'NaN'::float8": "NaN",
        "NULL::int": None,
        """'{"a": [1, null]}'::jsonb""": {"a": [1, None]},
        "0.2900::numeric": "0.2900",
        "'2026-01-31 12:00:00.25Z'::timestamptz": "2026-01-31 12:00:00.25+00",
        "'-infinity'::timestamptz": "-infinity",
        "'1 day 2 hours'::interval": "1 day 02:00:00",
        "ARRAY['a', 'null', NULL]": '{a,"null",NULL}',
        "'\\x00ff'::bytea": "\\x00ff",
        "'[1,5)'::int4range": "[1,5)",
        "'é😀'::text": "é😀",
    }
    result = migrator({"sql": f"SELECT {', '.join(f'{value} AS c{n}' for n, value in enumerate(values))}"})
    assert result == {
        "columns": [f"c{n}" for n in range(len(values))],
        "rows": [[*values.values()]],
        "affected": 1,
        "truncated": False,
    }


def test_columns_may_share_a_name_and_have_no_rows(migrator: SandboxedFunction) -> None:
    assert migrator({"sql": "SELECT 1 AS a, 2 AS a WHERE false"})["columns"] == ["a", "a"]


def test_a_statement_may_be_any_single_one(migrator: SandboxedFunction) -> None:
    assert migrator({"sql": "SHOW statement_timeout"})["rows"] == [[f"{STATEMENT_SECONDS}s"]]
    assert migrator({"sql": "EXPLAIN SELECT 1;"})["columns"] == ["QUERY PLAN"]


def test_a_write_needs_its_permission_and_is_committed(migrator: SandboxedFunction, database: Database) -> None:
    update = {"sql": f"INSERT INTO kalshi_markets_jobs (job, completed_by) VALUES ('of an operator', '{SECRET}')"}
    rejected = migrator(update)
    assert rejected["sqlstate"] == "25006"
    assert rejected["error"].endswith("; set write to change data (SQLSTATE 25006).")
    assert migrator({"sql": "SELECT nextval('kalshi_markets_change')"})["sqlstate"] == "25006"
    assert migrator(update | {"write": True}) == {"columns": [], "rows": [], "affected": 1, "truncated": False}
    assert database.query("SELECT count(*) FROM kalshi_markets_jobs WHERE job = 'of an operator'") == [[1]]
    deletion = "DELETE FROM kalshi_markets_jobs WHERE job = 'of an operator' RETURNING job"
    assert migrator({"sql": deletion, "write": True})["rows"] == [["of an operator"]]


@pytest.mark.parametrize(
    ("statement", "sqlstate", "reason"),
    [
        ("SELEC 1", "42601", "syntax error"),
        ("SELECT 1; SELECT 2", "42601", "multiple commands"),
        ("SELECT * FROM nowhere", "42P01", 'relation "nowhere" does not exist'),
        ("SELECT 1 / 0", "22012", "division by zero"),
    ],
)
def test_a_failure_is_a_sentence_with_its_sqlstate(
    migrator: SandboxedFunction, statement: str, sqlstate: str, reason: str
) -> None:
    result = migrator({"sql": statement})
    assert result["sqlstate"] == sqlstate
    assert reason in result["error"]
    assert result["error"].endswith(f" (SQLSTATE {sqlstate}).")
    assert migrator({"sql": "SELECT 1"})["rows"] == [[1]]


@pytest.mark.parametrize("event", [{"sql": ""}, {"sql": 1}, {"sql": "SELECT 1", "write": "yes"}])
def test_an_event_of_another_shape_is_rejected(migrator: SandboxedFunction, event: dict[str, Any]) -> None:
    assert migrator(event)["error"].startswith("sql must be the text of one statement")


def test_rows_beyond_the_limits_are_cut(migrator: SandboxedFunction) -> None:
    many = migrator({"sql": "SELECT generate_series(1, 1000000000000)"})  # would not fit in any memory
    assert (len(many["rows"]), many["truncated"]) == (MAX_ROWS, True)
    exact = migrator({"sql": f"SELECT generate_series(1, {MAX_ROWS})"})
    assert (len(exact["rows"]), exact["truncated"]) == (MAX_ROWS, False)
    large = migrator({"sql": "SELECT repeat('é', 10000) FROM generate_series(1, 900)"})
    assert large["truncated"]
    assert MAX_BYTES * 0.9 < len(json.dumps(large["rows"])) <= MAX_BYTES
    assert migrator({"sql": "SELECT repeat('x', 7000000)"})["rows"] == []


def test_neither_a_statement_nor_the_value_in_an_error_is_logged(environment: dict[str, str]) -> None:
    with sandboxes([]) as functions:
        migrator = functions.start("migrator", environment | {"DB_SSLMODE": "disable", "LOG_LEVEL": "DEBUG"})
        assert SECRET in migrator({"sql": f"SELECT '{SECRET}'::int"})["error"]
        *log, _ = functions.output
    assert any('"sqlstate":"22P02"' in line for line in log)
    assert [line for line in log if SECRET in line or "SELECT" in line] == []


def test_an_unreachable_database_is_a_sentence(environment: dict[str, str]) -> None:
    with variables(environment | {"DB_PORT": "1"}):
        assert handler({"sql": "SELECT 1"}, Context(60))["error"].startswith("The database is unavailable: cannot")


class Aws(HttpServer):
    """CloudFormation and Lambda of an account with one stack. Lambda invokes the real function."""

    OUTPUTS = "<member><OutputKey>MigratorFunctionName</OutputKey><OutputValue>stack-Migrator-1</OutputValue></member>"

    def __init__(self, migrator: SandboxedFunction) -> None:
        super().__init__(["POST"])
        self.outputs = self.OUTPUTS
        self.invoked: list[str] = []
        self._migrator = migrator

    def respond(self, request: Request) -> Response:
        """Return the response of DescribeStacks or Invoke."""
        if request.path == "/":
            return self._describe(parse_qs(request.body.decode())["StackName"][0])
        self.invoked.append(request.path)
        try:
            return Response(200, json.dumps(self._migrator(json.loads(request.body))).encode())
        except FunctionError as error:
            return Response(
                200, json.dumps({"errorMessage": str(error)}).encode(), {"X-Amz-Function-Error": "Unhandled"}
            )

    def _describe(self, stack: str) -> Response:
        if stack != "kalshi-markets":
            message = f"<Code>ValidationError</Code><Message>Stack with id {stack} does not exist</Message>"
            return Response(400, f"<ErrorResponse><Error>{message}</Error></ErrorResponse>".encode())
        member = f"<member><StackName>{stack}</StackName><Outputs>{self.outputs}</Outputs></member>"
        result = f"<DescribeStacksResult><Stacks>{member}</Stacks></DescribeStacksResult>"
        return Response(200, f"<DescribeStacksResponse>{result}</DescribeStacksResponse>".encode())


@pytest.fixture
def aws_calls(migrator: SandboxedFunction, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with Aws(migrator) as server:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        yield server


def printed(capsys: pytest.CaptureFixture[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Run the command in this process. Return its exit status, and what it wrote to stdout and stderr."""
    status = run_sql.main(environment)
    return (status, *capsys.readouterr())


def test_the_command_prints_a_table(aws_calls: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    statement = "SELECT * FROM (VALUES ('a', 1, NULL), (E'long\\ner', 23, '[1]'::json)) AS t (text, number, other)"
    assert printed(capsys, {"SQL": statement}) == (
        0,
        "text      number  other\n--------  ------  -----\na         1       null\nlong\\ner  23      [1]\n(2 rows)\n",
        "",
    )
    assert aws_calls.invoked == ["/2015-03-31/functions/stack-Migrator-1/invocations"]


def test_the_command_says_what_was_changed_or_cut(aws_calls: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    update = {"SQL": "UPDATE kalshi_markets_lease SET holder = holder"}
    status, output, reason = printed(capsys, update)
    assert (status, output) == (1, "")
    assert reason.startswith("make sql: The database rejected the statement: cannot execute UPDATE")
    assert printed(capsys, update | {"WRITE": "1"}) == (0, "done: 1 row\n", "")
    assert printed(capsys, {"SQL": "SET work_mem = '5MB'"}) == (0, "done\n", "")
    assert printed(capsys, {"SQL": "SELECT generate_series(1, 2000)"})[1].endswith(
        "\n1000\n(1000 rows, truncated: there are more)\n"
    )


def test_the_command_reports_what_is_missing(
    aws_calls: Aws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = {"SQL": "SELECT 1"}
    assert printed(capsys, {})[2].startswith("make sql: SQL is not set: make sql SQL=")
    assert "Stack with id other does not exist" in printed(capsys, statement | {"STACK": "other"})[2]
    aws_calls.outputs = ""
    status, _, reason = printed(capsys, statement)
    assert (status, reason) == (
        1,
        "make sql: the stack kalshi-markets has no output MigratorFunctionName: set STACK to the stack of this service.\n",
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert "Could not connect" in printed(capsys, statement)[2]
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/no/such/file")
    assert printed(capsys, statement)[2].endswith(" Set AWS_PROFILE and AWS_DEFAULT_REGION, as for the AWS CLI.\n")


def test_a_failed_function_is_reported_and_not_called_again(
    aws_calls: Aws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> Any:
        raise FunctionError("Unhandled", "SettingsError: DB_HOST is not set.")

    monkeypatch.setattr(aws_calls, "_migrator", fail)
    status, _, reason = printed(capsys, {"SQL": "SELECT 1"})
    assert status == 1
    assert "the function stack-Migrator-1 failed: " in reason
    assert "DB_HOST is not set." in reason
    assert len(aws_calls.invoked) == 1


def test_the_command_runs_as_a_program(aws_calls: Aws) -> None:
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_") or name == "PATH"}
    command = [sys.executable, "-m", "local.run_sql"]
    environment["SQL"] = "SELECT 1 AS one"
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "one\n---\n1\n(1 row)\n"), done.stderr
