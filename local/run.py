"""Run of `make run`: its parts, in the order in which they start.

schedule ──────────────► crawler ──► exchange (simulated, unless EXCHANGE names one)
                            │
                            ▼
                        PostgreSQL (ours, unless DB_HOST names one) ◄── migrator, once
                            ▲
HTTP ──► gateway ──────► api (several sandboxes)
            └──────────► authorizer, with API_KEY
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress

from local.base_run import BaseRun, RunFailed
from local.child_process import ChildFailed
from local.console import echo, function_log
from local.data_folder import API_USER, CRAWLER_USER
from local.exchange_process import KEY_ID, exchange_process
from local.explorer import build_pages
from local.lambda_runtime.authorizer import Authorizer
from local.lambda_runtime.client_command import OWN_CLIENT, runtime_client
from local.lambda_runtime.events import HttpRequest, MalformedResponse, http_event, http_response
from local.lambda_runtime.functions import function_spec
from local.lambda_runtime.gateway import WORKERS, Gateway
from local.lambda_runtime.lambda_errors import LambdaError
from local.lambda_runtime.lambda_function import LambdaFunction
from local.postgres import PostgresError, PostgresServer
from local.scheduler import Scheduler
from local.settings import LOOPBACK


class Run(BaseRun):
    """Run of PostgreSQL, an exchange, the scheduler, and the gateway with the API."""

    command = "make run"

    async def run(self) -> None:
        """Start all parts and run until one ends by itself; never return. Raises RunFailed."""
        listener = self._bind_port()
        self._lock_data_folder()
        databases, exchange = await self._start_dependencies()
        if runtime_client(self._settings.functions) == OWN_CLIENT:
            echo("functions", "with the project's own runtime client instead of awslambdaric")
        migrator = self._function("migrator", databases["migrator"])
        crawler = self._function("crawler", databases["crawler"] | exchange, progress=True)
        api = self._function("api", databases["api"] | exchange, workers=WORKERS)
        # The functions import their modules meanwhile.
        _, _, _, _, authorizer = await asyncio.gather(
            migrator.start(), api.start(), crawler.start(), build_pages(), self._start_authorizer()
        )
        await self._migrate(migrator)
        scheduler = Scheduler(crawler, "crawler")
        self._stack.push_async_callback(scheduler.close)
        gateway = Gateway(api, authorizer=authorizer, log=lambda line: echo("gateway", line))
        url = await self._stack.enter_async_context(gateway.serve(listener))
        echo("gateway", url)
        if authorizer:
            echo("", "requests need the key of API_KEY in the header x-api-key; the pages ask for it")
        scheduler.start()
        examples = _show_examples(api, url, ' -H "x-api-key: $API_KEY"' if authorizer else "")
        self._stack.callback(asyncio.create_task(examples).cancel)
        await self._wait_for_exit()

    async def _start_dependencies(self) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
        """Start the database and the exchange concurrently. If one fails, cancel the other."""
        try:
            async with asyncio.TaskGroup() as group:
                database = group.create_task(self._start_database())
                exchange = group.create_task(self._start_exchange())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return database.result(), exchange.result()

    async def _start_database(self) -> dict[str, dict[str, str]]:
        """Return the DB_* variables of each function.

        On an external server all functions have the same user; on our own each function has its own.
        """
        if external := dict(self._settings.database):
            echo("postgres", f"server {external['DB_HOST']} (DB_HOST)")
            # The functions' default, verify-full, is for AWS.
            return dict.fromkeys(("migrator", "api", "crawler"), {"DB_SSLMODE": "prefer"} | external)
        server = PostgresServer(self._folder.path / "postgres", ends_with_parent=True)
        starting = asyncio.ensure_future(asyncio.to_thread(server.start))

        async def stop() -> None:
            await asyncio.wait({starting})
            await asyncio.to_thread(server.stop)

        self._stack.push_async_callback(stop)
        try:
            await asyncio.shield(starting)
        except PostgresError as error:
            raise RunFailed(str(error)) from None
        echo("postgres", f"data folder {self._folder}/postgres, {server.host}:{server.port}")
        self._watch("PostgreSQL", asyncio.create_task(asyncio.to_thread(server.wait)))
        return self._database_users(server)

    def _database_users(self, server: PostgresServer) -> dict[str, dict[str, str]]:
        server_variables = {"DB_HOST": server.host, "DB_PORT": str(server.port), "DB_NAME": server.database}
        server_variables["DB_SSLMODE"] = "disable"  # the server has no certificate
        owner = {"DB_USER": server.user, "DB_PASSWORD": server.password}
        api, crawler = (
            {"DB_USER": user, "DB_PASSWORD": self._folder.password(user)} for user in (API_USER, CRAWLER_USER)
        )
        role_logins = {f"API_{name}": value for name, value in api.items()}
        role_logins |= {f"CRAWLER_{name}": value for name, value in crawler.items()}
        return {
            "migrator": server_variables | owner | role_logins,
            "api": server_variables | api,
            "crawler": server_variables | crawler,
        }

    async def _start_exchange(self) -> dict[str, str]:
        """Return EXCHANGE_URL and the key for the functions that call the exchange."""
        settings = self._settings
        if settings.exchange:
            echo("exchange", settings.exchange)
            return {"EXCHANGE_URL": settings.exchange, **settings.key}
        key_file = self._folder.exchange_key()
        exchange = exchange_process(settings, key_file)
        self._stack.push_async_callback(exchange.close)
        try:
            await exchange.start()
        except ChildFailed as error:
            raise RunFailed(f"the simulated exchange did not start: {error}") from None
        hint = "" if settings.recording else " (RECORDING=file or EXCHANGE=url for real ones)"
        echo("exchange", f"{settings.source}{hint}")
        self._watch("the simulated exchange", exchange.ended)
        return {"EXCHANGE_URL": exchange.url, "KEYID": KEY_ID, "KEYFILE": str(key_file)}

    async def _start_authorizer(self) -> Authorizer | None:
        """Return the authorizer for the key of the settings, or None without a key."""
        if not self._settings.api_key:
            return None
        function = self._function("authorizer", {"API_KEY": self._settings.api_key})
        await function.start()
        return Authorizer(function, log=lambda line: echo("gateway", line))

    def _function(
        self, name: str, environment: Mapping[str, str], *, workers: int = 1, progress: bool = False
    ) -> LambdaFunction:
        # With any proxy variable, Python does not read the proxies of macOS's system settings.
        spec = function_spec(name, {"no_proxy": LOOPBACK, **self._settings.functions, **environment})
        log = function_log(name, progress=progress, verbose=self._settings.verbose)
        function = LambdaFunction(spec, concurrency=workers, log=log)
        self._stack.push_async_callback(function.close)
        return function

    async def _migrate(self, migrator: LambdaFunction) -> None:
        try:
            applied = json.loads(await migrator.invoke(b"{}"))["applied"]
        except LambdaError as error:
            raise RunFailed(f"the database could not be prepared: {error}") from None
        await migrator.close()
        echo("migrator", f"{len(applied)} migrations applied" if applied else "the schema is up to date")


async def _show_examples(api: LambdaFunction, url: str, header: str) -> None:
    """Print three example commands as soon as the table has markets. header: option of curl, or an empty string."""
    tickers = await _fetch_tickers(api)
    while not tickers:
        await asyncio.sleep(1)
        tickers = await _fetch_tickers(api)
    body = json.dumps({"tickers": tickers})
    echo("try", f"curl{header} '{url}/markets?limit=5'")
    echo("", f"curl{header} '{url}/markets?status=active&volume__gte=1000&order_by=volume'")
    echo("", f"curl{header} -X POST {url}/markets/candlesticks -H 'content-type: application/json' -d '{body}'")


async def _fetch_tickers(api: LambdaFunction) -> list[str]:
    """Return the tickers of the two markets with the highest volume in the table."""
    request = HttpRequest("GET", "/markets", "limit=2&order_by=volume")
    with suppress(LambdaError, MalformedResponse):
        answer = http_response(await api.invoke(json.dumps(http_event(request, "examples")).encode()))
        if answer.status == 200:
            return [market["ticker"] for market in json.loads(answer.body)["items"]]
    return []
