"""Run of `make sam-local`: its parts, in the order in which they start.

schedule ──► sam local invoke: crawler ──┐
                                         ├──► host.docker.internal, which is this machine:
HTTP ──────► sam local start-api: api ───┘    PostgreSQL, the exchange, Secrets Manager (moto's)
"""

import json

from local.base_run import BaseRun, RunFailed
from local.child_process import ChildFailed
from local.console import echo, function_log
from local.explorer import build_pages
from local.lambda_runtime.events import scheduled_event
from local.lambda_runtime.lambda_errors import LambdaError
from local.postgres import PostgresError
from local.sam.cli import RUNTIME, VARIABLES, Sam, SamFailed, SamFunction, finds_python
from local.sam.host import Host, NoEngine
from local.scheduler import Scheduler


class SamRun(BaseRun):
    """Run of the stack's functions in containers of AWS's image, by the SAM CLI."""

    command = "make sam-local"

    async def run(self) -> None:
        """Start all parts and run until one ends by itself; never return. Raises RunFailed."""
        self._check()
        self._lock_data_folder()
        variables = self._variables()
        await self._start_host(variables)
        variables_file = self._folder.path / "sam-environment.json"
        variables_file.write_text(json.dumps(variables), encoding="utf-8")
        sam = Sam(variables=variables_file)
        await self._build(sam)
        await self._migrate(sam)
        await self._serve(sam)
        log = function_log("crawler", progress=True, verbose=self._settings.verbose)
        scheduler = Scheduler(SamFunction(sam, "CrawlerFunction", log), "crawler")
        self._stack.push_async_callback(scheduler.close)
        scheduler.start()
        await self._wait_for_exit()

    def _check(self) -> None:
        """Check the settings, Python and the port before anything starts. Raises RunFailed."""
        if self._settings.database:
            raise RunFailed("DB_HOST is only for make run: make sam-local starts its own PostgreSQL")
        if self._settings.api_key:
            raise RunFailed("API_KEY is only for make run: make sam-local has no authorizer")
        if not finds_python():
            raise RunFailed(f"sam build requires {RUNTIME} on PATH: install it, or select it (pyenv)")
        self._bind_port().close()  # sam local start-api binds the port last

    def _variables(self) -> dict[str, dict[str, str]]:
        """Return the variables of `sam local`, with the exchange and the key of the settings."""
        variables: dict[str, dict[str, str]] = json.loads(VARIABLES.read_text(encoding="utf-8"))
        if self._settings.exchange:
            variables["Parameters"]["EXCHANGE_URL"] = self._settings.exchange
            if not self._settings.key:
                variables["Parameters"]["KALSHI_SECRET_ARN"] = ""
        return variables

    async def _start_host(self, variables: dict[str, dict[str, str]]) -> None:
        try:
            host = Host(variables, self._settings, self._folder)
            await host.start(self._stack)
        except NoEngine as error:
            raise RunFailed(f"no container engine responds ({error}): start Docker, or use make run") from None
        except (PostgresError, ChildFailed) as error:
            raise RunFailed(str(error)) from None
        echo("postgres", f"data folder {self._folder}/sam-postgres, {host.address}:{host.postgres.port}")
        echo("exchange", self._settings.source)
        for name, child in host.children.items():
            self._watch(name, child.ended)

    async def _build(self, sam: Sam) -> None:
        await build_pages()  # else every build would fetch their packages into its copy of the layer
        echo("sam", "build")
        try:
            await sam.build(lambda line: echo("sam", line) if self._settings.verbose else None)
        except SamFailed as error:
            raise RunFailed(f"sam build failed: {error} (VERBOSE=1 shows all)") from None

    async def _migrate(self, sam: Sam) -> None:
        echo("sam", "local invoke MigratorFunction (the first run downloads AWS's image)")
        migrator = SamFunction(sam, "MigratorFunction", function_log("migrator", verbose=self._settings.verbose))
        try:
            applied = json.loads(await migrator.invoke(json.dumps(scheduled_event()).encode()))["applied"]
        except LambdaError as error:
            raise RunFailed(f"the database could not be prepared: {error}") from None
        echo("migrator", f"{len(applied)} migrations applied" if applied else "the schema is up to date")

    async def _serve(self, sam: Sam) -> None:
        api = sam.server("start-api", self._settings.port, "api")
        self._stack.push_async_callback(api.close)
        try:
            await api.start()
        except ChildFailed as error:
            raise RunFailed(f"sam local start-api did not start: {error}") from None
        self._watch("sam local start-api", api.ended)
        echo("api", api.url)
        echo("try", f"curl '{api.url}/markets?limit=5'")
        echo("", "sam local invoke CrawlerFunction --event tests/events/schedule.json")
