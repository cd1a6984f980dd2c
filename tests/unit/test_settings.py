from datetime import timedelta
from pathlib import Path

import pytest

from kalshi_markets.settings import (
    ApiSettings,
    CrawlerSettings,
    DatabaseSettings,
    ExchangeSettings,
    MigratorSettings,
    SettingsError,
    log_level,
)

DATABASE = {"DB_HOST": "localhost", "DB_USER": "me"}


def test_defaults_serve() -> None:
    settings = DatabaseSettings.read(DATABASE)
    assert (settings.port, settings.name, settings.sslmode, settings.table) == (
        5432,
        "postgres",
        "prefer",
        "kalshi_markets",
    )
    assert ExchangeSettings.read({}).url == "https://external-api.kalshi.com/trade-api/v2"
    crawler = CrawlerSettings.read({})
    assert (crawler.run_seconds, crawler.live_interval, crawler.kept) == (55, timedelta(minutes=5), None)
    assert (crawler.archive, crawler.combos) == (True, False)
    assert CrawlerSettings.read({"RETENTION_DAYS": "30", "COMBOS": "True"}).kept == timedelta(days=30)
    assert ApiSettings.read({}).statement_timeout_ms == 3000
    assert MigratorSettings.read({}).roles == {}


def test_tls_is_verified_on_lambda_unless_told_otherwise() -> None:
    on_lambda = DATABASE | {"AWS_LAMBDA_FUNCTION_NAME": "api"}
    assert DatabaseSettings.read(on_lambda).sslmode == "verify-full"
    assert DatabaseSettings.read(on_lambda | {"AWS_SAM_LOCAL": "true"}).sslmode == "prefer"
    assert DatabaseSettings.read(on_lambda | {"DB_SSLMODE": "require"}).sslmode == "require"


def test_an_empty_variable_is_an_absent_one() -> None:
    assert DatabaseSettings.read(DATABASE | {"DB_PORT": "", "DB_SSLMODE": " "}).port == 5432


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"DB_HOST": ""}, "DB_HOST"),
        ({"DB_PORT": "x"}, "DB_PORT"),
        ({"DB_PORT": "70000"}, "DB_PORT"),
        ({"DB_PORT": "5432.5"}, "DB_PORT"),
        ({"DB_SSLMODE": "sometimes"}, "DB_SSLMODE"),
        ({"MARKETS_TABLE": "markets; DROP TABLE x"}, "MARKETS_TABLE"),
        ({"MARKETS_TABLE": "Markets"}, "MARKETS_TABLE"),
        ({"MARKETS_TABLE": "m" * 41}, "MARKETS_TABLE"),
    ],
)
def test_a_wrong_database_variable_is_named(variables: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        DatabaseSettings.read(DATABASE | variables)


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"EXCHANGE_URL": "kalshi.com"}, "EXCHANGE_URL"),
        ({"EXCHANGE_RATE": "0"}, "EXCHANGE_RATE"),
        ({"KEYID": "x"}, "KEYFILE"),
    ],
)
def test_a_wrong_exchange_variable_is_named(variables: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        ExchangeSettings.read(variables)


@pytest.mark.parametrize(
    "variables", [{"RUN_SECONDS": "NaN"}, {"LIVE_INTERVAL_SECONDS": "-1"}, {"RUN_SECONDS": "5000"}, {"COMBOS": "yes"}]
)
def test_a_wrong_crawler_variable_is_named(variables: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(variables))):
        CrawlerSettings.read(variables)


@pytest.mark.parametrize(
    "url", ["https://host", "https://host/", "https://host/trade-api/v2", "https://host/trade-api/v2/"]
)
def test_the_exchanges_url_may_be_given_with_its_path_or_without(url: str) -> None:
    assert ExchangeSettings.read({"EXCHANGE_URL": url}).url == "https://host/trade-api/v2"


def test_with_a_key_the_rate_is_the_accounts_unless_it_is_set(tmp_path: Path) -> None:
    key = {"KEYID": "id", "KEYFILE": str(tmp_path / "key")}
    assert (ExchangeSettings.read({}).rate, ExchangeSettings.read(key).rate) == (5, None)
    assert ExchangeSettings.read(key | {"EXCHANGE_RATE": "28"}).rate == 28


def test_the_key_comes_from_keyfile_or_there_is_none(tmp_path: Path) -> None:
    file = tmp_path / "key"
    settings = ExchangeSettings.read({"KEYID": "id", "KEYFILE": str(file)})
    with pytest.raises(SettingsError, match="KEYFILE"):
        settings.credentials()
    file.write_text("pem")
    credentials = settings.credentials()
    assert credentials is not None
    assert (credentials.name, credentials.secret) == ("id", "pem")
    assert ExchangeSettings.read({}).credentials() is None


def test_a_password_is_taken_as_it_stands() -> None:
    assert DatabaseSettings.read(DATABASE | {"DB_PASSWORD": " p "}).credentials().secret == " p "


def test_a_database_user_must_be_given() -> None:
    with pytest.raises(SettingsError, match="DB_USER"):
        DatabaseSettings.read({"DB_HOST": "localhost"}).credentials()


def test_roles_need_their_passwords() -> None:
    with pytest.raises(SettingsError, match="API_DB_PASSWORD"):
        MigratorSettings.read({"API_DB_USER": "api"})
    roles = MigratorSettings.read({"CRAWLER_DB_USER": "c", "CRAWLER_DB_PASSWORD": "p"}).roles
    assert roles["crawler"].secret == "p"


@pytest.mark.parametrize(
    ("variables", "level"),
    [
        ({}, "INFO"),
        ({"LOG_LEVEL": "debug"}, "DEBUG"),
        ({"LOG_LEVEL": " Warning\n"}, "WARNING"),
        ({"LOG_LEVEL": "trace", "POWERTOOLS_LOG_LEVEL": "ERROR"}, "ERROR"),
        ({"LOG_LEVEL": "CRITICAL", "POWERTOOLS_LOG_LEVEL": ""}, "CRITICAL"),
    ],
)
def test_the_log_level_is_powertools_own_variable_or_else_ours(variables: dict[str, str], level: str) -> None:
    assert log_level(variables) == level


@pytest.mark.parametrize("name", ["LOG_LEVEL", "POWERTOOLS_LOG_LEVEL"])
@pytest.mark.parametrize("value", ["trace", "10", "warn ing"])
def test_a_wrong_log_level_is_named_with_what_it_takes(name: str, value: str) -> None:
    for read in (log_level, ApiSettings.read):
        with pytest.raises(SettingsError, match=f"^{name} must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL"):
            read({name: value})
