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
    settings = DatabaseSettings.from_env(DATABASE)
    assert (settings.port, settings.name, settings.sslmode, settings.table) == (
        5432,
        "postgres",
        "prefer",
        "kalshi_markets",
    )
    assert ExchangeSettings.from_env({}).url == "https://external-api.kalshi.com/trade-api/v2"
    crawler = CrawlerSettings.from_env({})
    assert (crawler.run_seconds, crawler.live_interval, crawler.retention) == (55, timedelta(minutes=5), None)
    assert (crawler.archive, crawler.combos) == (True, False)
    assert CrawlerSettings.from_env({"RETENTION_DAYS": "30", "COMBOS": "True"}).retention == timedelta(days=30)
    assert ApiSettings.from_env({}).statement_timeout_ms == 3000
    assert MigratorSettings.from_env({}).roles == {}


def test_tls_is_verified_on_lambda_by_default() -> None:
    on_lambda = DATABASE | {"AWS_LAMBDA_FUNCTION_NAME": "api"}
    assert DatabaseSettings.from_env(on_lambda).sslmode == "verify-full"
    assert DatabaseSettings.from_env(on_lambda | {"AWS_SAM_LOCAL": "true"}).sslmode == "prefer"
    assert DatabaseSettings.from_env(on_lambda | {"DB_SSLMODE": "require"}).sslmode == "require"


def test_an_empty_variable_is_an_absent_one() -> None:
    assert DatabaseSettings.from_env(DATABASE | {"DB_PORT": "", "DB_SSLMODE": " "}).port == 5432


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
        DatabaseSettings.from_env(DATABASE | variables)


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
        ExchangeSettings.from_env(variables)


@pytest.mark.parametrize(
    "variables", [{"RUN_SECONDS": "NaN"}, {"LIVE_INTERVAL_SECONDS": "-1"}, {"RUN_SECONDS": "5000"}, {"COMBOS": "yes"}]
)
def test_a_wrong_crawler_variable_is_named(variables: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(variables))):
        CrawlerSettings.from_env(variables)


@pytest.mark.parametrize(
    "url", ["https://host", "https://host/", "https://host/trade-api/v2", "https://host/trade-api/v2/"]
)
def test_the_exchanges_url_may_be_given_with_its_path_or_without(url: str) -> None:
    assert ExchangeSettings.from_env({"EXCHANGE_URL": url}).url == "https://host/trade-api/v2"


def test_with_a_key_the_rate_is_the_accounts_unless_it_is_set(tmp_path: Path) -> None:
    key = {"KEYID": "id", "KEYFILE": str(tmp_path / "key")}
    assert (ExchangeSettings.from_env({}).rate, ExchangeSettings.from_env(key).rate) == (5, None)
    assert ExchangeSettings.from_env(key | {"EXCHANGE_RATE": "28"}).rate == 28


def test_the_key_comes_from_keyfile_or_there_is_none(tmp_path: Path) -> None:
    file = tmp_path / "key"
    settings = ExchangeSettings.from_env({"KEYID": "id", "KEYFILE": str(file)})
    with pytest.raises(SettingsError, match="KEYFILE"):
        settings.credentials()
    file.write_text("pem")
    credentials = settings.credentials()
    assert credentials is not None
    assert (credentials.username, credentials.secret) == ("id", "pem")
    assert ExchangeSettings.from_env({}).credentials() is None


@pytest.mark.parametrize(
    ("pasted", "password"), [(" p ", " p "), ("p\n", "p"), ("\r\np\r\n", "p"), ("pä ß\u200b", "pä ß\u200b")]
)
def test_a_password_is_taken_as_it_stands_but_for_line_ends_around_it(pasted: str, password: str) -> None:
    assert DatabaseSettings.from_env(DATABASE | {"DB_PASSWORD": pasted}).credentials().secret == password
    roles = MigratorSettings.from_env({"API_DB_USER": "api", "API_DB_PASSWORD": pasted}).roles
    assert roles["api"].credentials().secret == password


@pytest.mark.parametrize("name", ["DB_PASSWORD", "API_DB_PASSWORD"])
@pytest.mark.parametrize("password", ["p\tq", "p\nq", "\x7fp"])
def test_a_password_with_a_control_character_is_rejected_without_echoing_it(name: str, password: str) -> None:
    variables = DATABASE | {"API_DB_USER": "api", name: password}
    with pytest.raises(SettingsError, match=f"^{name} contains a control character") as caught:
        (DatabaseSettings if name == "DB_PASSWORD" else MigratorSettings).from_env(variables)
    assert password not in str(caught.value)


PASTED = ("DB_HOST", "DB_NAME", "DB_USER", "DB_SECRET_ARN", "MARKETS_TABLE", "DB_PORT", "DB_SSLMODE")


@pytest.mark.parametrize("name", PASTED)
def test_white_space_around_a_pasted_value_is_taken_off(name: str) -> None:
    value = {"DB_PORT": "5432", "DB_SSLMODE": "require"}.get(name, "name")
    clean, pasted = (DatabaseSettings.from_env(DATABASE | {name: text}) for text in (value, f"\t {value}\u00a0\r\n"))
    assert clean == pasted


@pytest.mark.parametrize("name", PASTED)
@pytest.mark.parametrize("character", ["\ufeff", "\u200b", "\n", "\x00"])
def test_an_invisible_character_in_a_pasted_value_is_rejected_by_name(name: str, character: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} "):
        DatabaseSettings.from_env(DATABASE | {name: f"a{character}b"})


KEYS = {"KEYID": {"KEYFILE": "k"}, "KALSHI_SECRET_ARN": {}, "EXCHANGE_URL": {}}


@pytest.mark.parametrize("name", KEYS)
def test_white_space_around_a_key_id_is_taken_off(name: str) -> None:
    value = "https://host" if name == "EXCHANGE_URL" else "a-key"
    clean, pasted = (ExchangeSettings.from_env(KEYS[name] | {name: text}) for text in (value, f" {value}\r\n"))
    assert clean == pasted


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("character", ["\ufeff", "\u200b", "\n", "\x7f", "é"])
def test_a_key_id_that_is_not_printable_ascii_is_rejected_by_name(name: str, character: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be printable ASCII"):
        ExchangeSettings.from_env(KEYS[name] | {name: f"https://ho{character}st"})


@pytest.mark.parametrize("name", KEYS)
def test_a_byte_order_mark_before_a_key_id_is_rejected_by_name(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be printable ASCII"):
        ExchangeSettings.from_env(KEYS[name] | {name: "\ufeffhttps://host"})


@pytest.mark.parametrize("content", ["pem", "\ufeffpem"])
def test_a_key_file_may_begin_with_a_byte_order_mark(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content, encoding="utf-8")
    credentials = ExchangeSettings.from_env({"KEYID": "id", "KEYFILE": str(tmp_path / "key")}).credentials()
    assert credentials is not None
    assert credentials.secret == "pem"


def test_a_key_file_in_utf_16_is_rejected_by_name(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("pem", encoding="utf-16")
    with pytest.raises(SettingsError, match=r"^KEYFILE"):
        ExchangeSettings.from_env({"KEYID": "id", "KEYFILE": str(tmp_path / "key")}).credentials()


@pytest.mark.parametrize(
    ("variables", "level"),
    [
        ({}, "INFO"),
        ({"LOG_LEVEL": " "}, "INFO"),
        ({"LOG_LEVEL": " debug\n"}, "DEBUG"),
        ({"LOG_LEVEL": "Critical"}, "CRITICAL"),
        ({"POWERTOOLS_LOG_LEVEL": "ERROR", "LOG_LEVEL": "DEBUG"}, "ERROR"),
    ],
)
def test_a_log_level_is_read_in_any_case(variables: dict[str, str], level: str) -> None:
    assert log_level(variables) == level


@pytest.mark.parametrize("name", ["LOG_LEVEL", "POWERTOOLS_LOG_LEVEL"])
@pytest.mark.parametrize("level", ["trace", "10", "WARN", "NOTSET", "INFO,DEBUG"])
def test_an_unknown_log_level_is_rejected_by_name(name: str, level: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL"):
        log_level({name: level})


def test_a_database_user_must_be_given() -> None:
    with pytest.raises(SettingsError, match="DB_USER"):
        DatabaseSettings.from_env({"DB_HOST": "localhost"}).credentials()


def test_roles_need_their_passwords() -> None:
    with pytest.raises(SettingsError, match="API_DB_PASSWORD"):
        MigratorSettings.from_env({"API_DB_USER": "api"})
    roles = MigratorSettings.from_env({"CRAWLER_DB_USER": "c", "CRAWLER_DB_PASSWORD": "p"}).roles
    assert roles["crawler"].credentials().secret == "p"


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
    for read in (log_level, ApiSettings.from_env):
        with pytest.raises(SettingsError, match=f"^{name} must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL"):
            read({name: value})


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    file = tmp_path / "a\nkey é.pem"
    file.write_text("PEM")
    settings = ExchangeSettings.from_env({"KEYID": "id", "KEYFILE": str(file), "SSL_CERT_FILE": str(file)})
    assert settings.key_file == str(file)
