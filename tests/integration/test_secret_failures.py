"""Failures, rejections and rotations of Secrets Manager under traffic; no secret appears in the functions' output."""

import secrets
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import NamedTuple

import pytest

from kalshi_markets.database import Database
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.lambda_runtime.events import scheduled_event
from local.lambda_runtime.lambda_errors import FunctionError
from migrator.handler import handler
from tests.support.api_client import Context, variables
from tests.support.aws import Account
from tests.support.aws_proxy import DOWN, AwsProxy
from tests.support.cloudformation import ResponseBucket, custom_resource_event
from tests.support.sandboxes import SandboxedFunction, Sandboxes, sandboxes
from tests.support.secrets import clear_cache

AWS_KEY = secrets.token_hex(20)


@pytest.fixture
def hidden(environment: dict[str, str]) -> list[str]:
    """Return the texts that must not appear in the functions' output; a test appends its own."""
    return [AWS_KEY, environment["DB_PASSWORD"]]


@pytest.fixture
def functions(hidden: list[str]) -> Iterator[Sandboxes]:
    with sandboxes(hidden) as functions:
        yield functions


class Role:
    """Database role with its secret."""

    def __init__(self, name: str, account: Account, hidden: list[str]) -> None:
        self.name = name
        self._account = account
        self._hidden = hidden
        self.arn = account.create_secret(self._login())

    def rotate(self) -> None:
        """Store another password in the secret but not in the database."""
        self._account.rotate(self.arn, self._login())

    def _login(self) -> dict[str, str]:
        self._hidden.append(secrets.token_hex(16))
        return {"username": self.name, "password": self._hidden[-1]}


@pytest.fixture
def roles(account: Account, hidden: list[str], database: Database) -> Iterator[dict[str, Role]]:
    """Yield a role by function; the database does not have them yet."""
    names = {"api": "of_api", "crawler": "of_crawler"}
    yield {function: Role(name, account, hidden) for function, name in names.items()}
    for name in names.values():
        if database.query("SELECT FROM pg_roles WHERE rolname = $1::text", name):
            database.execute_script(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def on_aws(aws_proxy: AwsProxy, environment: dict[str, str]) -> dict[str, str]:
    """Return the environment of a function with its login in a secret, without the secret's ARN."""
    variables = {name: value for name, value in environment.items() if name not in ("DB_USER", "DB_PASSWORD")}
    overrides = {"DB_SSLMODE": "disable", "LOG_LEVEL": "DEBUG", "AWS_SECRET_ACCESS_KEY": AWS_KEY}
    return variables | aws_proxy.environment | overrides


@pytest.fixture
def master(account: Account, environment: dict[str, str]) -> str:
    """Return the ARN of the secret of the database's own user."""
    return account.create_secret({"username": environment["DB_USER"], "password": environment["DB_PASSWORD"]})


@pytest.fixture
def api(functions: Sandboxes, on_aws: dict[str, str], master: str) -> SandboxedFunction:
    return functions.start("api", on_aws | {"DB_SECRET_ARN": master})


@pytest.mark.parametrize("fault", [DOWN, "AccessDeniedException", "ExpiredTokenException", "InternalServiceError"])
def test_a_cold_api_that_gets_no_secret_says_why_and_serves_when_it_gets_it(
    api: SandboxedFunction, aws_proxy: AwsProxy, fault: str
) -> None:
    aws_proxy.faults = repeat(fault)
    status, body = api.get("/markets")
    assert (status, body["code"]) == (503, "not_configured")
    assert ("ConnectionClosedError" if fault == DOWN else fault) in body["detail"]
    aws_proxy.faults = iter(())
    assert api.get("/markets")[0] == 200


@pytest.mark.parametrize("fault", ["ThrottlingException", DOWN])
def test_secrets_manager_may_throttle_or_break_off_once(
    api: SandboxedFunction, aws_proxy: AwsProxy, fault: str
) -> None:
    aws_proxy.faults = iter([fault])
    assert api.get("/markets")[0] == 200
    assert next(aws_proxy.faults, None) is None


def end_connections(database: Database, application: str) -> int:
    """End an application's connections and return their number."""
    select = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = $1::text"
    return len(database.query(select, application))


def test_a_warm_api_connects_anew_without_secrets_manager(
    api: SandboxedFunction, aws_proxy: AwsProxy, database: Database
) -> None:
    assert api.get("/markets")[0] == 200
    aws_proxy.faults = repeat(DOWN)
    assert end_connections(database, "api") == 1
    assert api.get("/markets")[0] == 200


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    with ExchangeServer(generate(7, 50, Clock(speed=0))) as server:
        yield server.url


@pytest.fixture
def crawling(on_aws: dict[str, str], exchange: str) -> dict[str, str]:
    """Return the environment of a crawler, without the secret's ARN."""
    return on_aws | {"EXCHANGE_URL": exchange, "EXCHANGE_RATE": "1000"}


def test_a_crawl_that_gets_no_secret_fails_and_the_next_one_works(
    functions: Sandboxes, crawling: dict[str, str], aws_proxy: AwsProxy, master: str
) -> None:
    crawler = functions.start("crawler", crawling | {"DB_SECRET_ARN": master})
    aws_proxy.faults = repeat("AccessDeniedException")
    with pytest.raises(FunctionError, match=r"SecretUnavailable: .* AccessDeniedException\.$"):
        crawler(scheduled_event())
    aws_proxy.faults = iter(())
    assert crawler(scheduled_event())["outcome"] == "idle"


def test_a_deployment_waits_for_secrets_manager(
    on_aws: dict[str, str], aws_proxy: AwsProxy, master: str, roles: dict[str, Role], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrator.run.PAUSE_SECONDS", 0.1)
    clear_cache()
    aws_proxy.faults = iter(["InternalServiceError", "AccessDeniedException"])  # new grants take effect late
    arns = {"DB_SECRET_ARN": master, "API_DB_SECRET_ARN": roles["api"].arn}
    with ResponseBucket(200) as bucket, variables(on_aws | arns):
        assert handler(custom_resource_event(bucket), Context(60)) == {"failure": None}
    assert next(aws_proxy.faults, None) is None


def test_a_failed_deployment_reveals_no_secret(
    functions: Sandboxes, on_aws: dict[str, str], account: Account, hidden: list[str], roles: dict[str, Role]
) -> None:
    wrong = Role("postgres", account, hidden)
    migrator = functions.start("migrator", on_aws | {"DB_SECRET_ARN": wrong.arn, "API_DB_SECRET_ARN": roles["api"].arn})
    with ResponseBucket(200) as bucket:
        migrator(custom_resource_event(bucket))
        functions.output += [body.decode() for body in bucket.bodies]
        assert "password authentication failed" in bucket.response["Reason"]


@contextmanager
def asking(api: SandboxedFunction) -> Iterator[list[int]]:
    """Yield the statuses of consecutive requests; the last one starts after the block has ended."""
    statuses: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        last = False
        while not last:
            last = ended.is_set()
            statuses.append(api.get("/markets")[0])

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        thread.join()


class OwnRoles(NamedTuple):
    """Functions of a migrated database, API and crawler with roles of their own."""

    migrator: SandboxedFunction
    api: SandboxedFunction
    crawler: SandboxedFunction


@pytest.fixture
def own_roles(
    functions: Sandboxes, on_aws: dict[str, str], crawling: dict[str, str], master: str, roles: dict[str, Role]
) -> OwnRoles:
    of_roles = {"API_DB_SECRET_ARN": roles["api"].arn, "CRAWLER_DB_SECRET_ARN": roles["crawler"].arn}
    migrator = functions.start("migrator", on_aws | of_roles | {"DB_SECRET_ARN": master})
    migrator({})
    api = functions.start("api", on_aws | {"DB_SECRET_ARN": roles["api"].arn})
    return OwnRoles(migrator, api, functions.start("crawler", crawling | {"DB_SECRET_ARN": roles["crawler"].arn}))


def test_passwords_are_rotated_under_traffic(own_roles: OwnRoles, roles: dict[str, Role], database: Database) -> None:
    migrator, api, crawler = own_roles
    ended = 0
    for _ in range(2):
        assert api.get("/markets")[0] == 200
        assert crawler(scheduled_event())["outcome"] == "idle"
        with asking(api) as statuses:
            for role in roles.values():
                role.rotate()
            migrator({})
            ended += end_connections(database, "api")
            assert crawler(scheduled_event())["outcome"] == "idle"
        assert set(statuses) == {200}
    assert ended


def test_rotations_reject_no_request_and_no_crawl(
    own_roles: OwnRoles, roles: dict[str, Role], account: Account, hidden: list[str], database: Database
) -> None:
    migrator, api, crawler = own_roles
    ended = 0
    assert api.get("/markets")[0] == 200
    with asking(api) as statuses:
        for role in roles.values():
            event = {"SecretId": role.arn, "ClientRequestToken": str(uuid.uuid4())}
            for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
                assert migrator(event | {"Step": step}) == {"step": step}
                ended += end_connections(database, "api")
                assert crawler(scheduled_event())["outcome"] == "idle"
            hidden.append(account.secret(role.arn)["password"])
    assert set(statuses) == {200}
    assert ended
