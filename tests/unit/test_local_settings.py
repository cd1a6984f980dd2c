"""Settings of `make run` from the environment and from .env."""

import re
from pathlib import Path

import pytest

from local import ROOT
from local.settings import Settings, SettingsError
from tests.unit.test_signing import ED25519


def test_without_variables_every_setting_has_its_default(tmp_path: Path) -> None:
    settings = Settings.from_env({}, tmp_path)
    assert (settings.port, settings.markets, settings.verbose) == (8000, 5_000, False)
    assert (settings.recording, settings.exchange) == (None, None)
    assert settings.data_dir == tmp_path / ".data"
    assert (settings.database, settings.key, settings.functions) == ({}, {}, {})


def test_dot_env_accepts_quotes_exports_and_comments(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# the original's names\n\n"
        "DB_HOST=db.example\n"
        "export DB_NAME = kalshi   # a comment\n"
        'DB_USER="some one" # another\n'
        "DB_PASSWORD='a#b=\"c\"'\n"
        "DB_PORT=\n"
        "MARKETS_TABLE=other\n"
        "UNKNOWN=1\n"
    )
    settings = Settings.from_env({}, tmp_path)
    assert settings.database == {
        "DB_HOST": "db.example",
        "DB_NAME": "kalshi",
        "DB_USER": "some one",
        "DB_PASSWORD": 'a#b="c"',
    }
    assert settings.functions == {"MARKETS_TABLE": "other"}


def test_the_environment_wins_over_dot_env_but_an_empty_variable_is_an_absent_one(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=9001\nMARKETS=10\n")
    settings = Settings.from_env({"PORT": "9002", "MARKETS": " "}, tmp_path)
    assert (settings.port, settings.markets) == (9002, 10)


def test_the_functions_see_their_settings_and_nothing_else_of_the_shell(tmp_path: Path) -> None:
    shell = {"PATH": "/bin", "LOG_LEVEL": "DEBUG", "POWERTOOLS_DEV": "1", "AWS_SECRET_ACCESS_KEY": "s", "EDITOR": "vi"}
    assert Settings.from_env(shell, tmp_path).functions.keys() == {"PATH", "LOG_LEVEL", "POWERTOOLS_DEV"}


def test_an_api_key_is_for_the_authorizer_alone(tmp_path: Path) -> None:
    settings = Settings.from_env({"API_KEY": " k e-y\n"}, tmp_path)
    assert (settings.api_key, settings.functions) == ("k e-y", {})
    assert Settings.from_env({"API_KEY": ""}, tmp_path).api_key is None
    with pytest.raises(SettingsError, match="API_KEY must be printable ASCII"):
        Settings.from_env({"API_KEY": "key\u200b"}, tmp_path)
    with pytest.raises(SettingsError, match="API_KEYS_SECRET_ARN is for functions on AWS: use API_KEY"):
        Settings.from_env({"API_KEYS_SECRET_ARN": "arn"}, tmp_path)


SAMPLES = {
    "DB_HOST": "db.example",
    "DB_USER": "someone",
    "DB_PASSWORD": " p ",
    "DB_SSLMODE": "require",
    "DB_SSLROOTCERT": "authorities.pem",
    "KEYID": "id",
    "KEYFILE": "key.pem",
    "LOG_LEVEL": "debug",
    "README_URL": "https://readme.example",
}
"""Values of the documented variables without a default, or whose default equals no value."""


def documented() -> dict[str, str]:
    """Return the functions' variables in docs/operations.md, with a valid value for each."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    [section] = re.findall(r"### The functions\n(.*?)\n### ", page, re.DOTALL)
    rows = re.findall(r"^\| (`[^|]*`) \| ([^|]*) \|", section, re.MULTILINE)
    defaults = {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    return {
        name: SAMPLES.get(name, default if re.fullmatch(r"\w+", default) else "1") for name, default in defaults.items()
    }


@pytest.mark.parametrize("name", documented())
def test_every_documented_variable_is_passed_on_or_rejected_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "authorities.pem").touch()
    (tmp_path / "key.pem").write_text(ED25519)
    value = documented()[name]
    real = {"EXCHANGE": "https://x.example", "KEYID": "k", "KEYFILE": "key.pem"}
    database = {"DB_HOST": "other.example", "DB_USER": "other"}
    try:
        settings = Settings.from_env(real | database | {name: value}, tmp_path)
    except SettingsError as error:
        assert str(error).startswith(f"{name} is for functions on AWS: use ")  # noqa: PT017  # both outcomes are valid
    else:
        passed = {**settings.functions, **settings.database, **settings.key}
        assert passed[name].removeprefix(f"{tmp_path}/") == value


@pytest.mark.parametrize("name", ["DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_SSLMODE", "DB_SSLROOTCERT"])
def test_a_login_without_a_host_is_rejected_by_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"^{name} requires DB_HOST"):
        Settings.from_env({name: "x"}, tmp_path)


@pytest.mark.parametrize(
    ("variables", "passed"),
    [
        ({}, {}),
        ({"NO_PROXY": "x"}, {}),
        (
            {"HTTPS_PROXY": "http://p:1"},
            {"https_proxy": "http://p:1", "no_proxy": "127.0.0.1,localhost,::1"},
        ),
        (
            {"HTTP_PROXY": "old:1", "http_proxy": "p:1", "ALL_PROXY": "https://u:p@q/", "NO_PROXY": "a,b"},
            {"http_proxy": "p:1", "all_proxy": "https://u:p@q/", "no_proxy": "a,b,127.0.0.1,localhost,::1"},
        ),
    ],
)
def test_with_a_real_exchange_the_functions_see_proxies_and_that_none_is_for_this_machine(
    variables: dict[str, str], passed: dict[str, str], tmp_path: Path
) -> None:
    assert Settings.from_env({"EXCHANGE": "https://x.example"} | variables, tmp_path).functions == passed
    assert Settings.from_env({"ALL_PROXY": "socks5://p:1"} | variables, tmp_path).functions == {}


def test_files_of_authorities_are_relative_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "authorities").mkdir()
    (tmp_path / "authorities" / "ca.pem").touch()
    variables = {"SSL_CERT_FILE": "authorities/ca.pem", "SSL_CERT_DIR": "authorities"}
    passed = {name: str(tmp_path / value) for name, value in variables.items()}
    assert Settings.from_env(variables, tmp_path).functions == passed


def test_a_real_exchange_takes_the_key_whose_file_is_relative_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(ED25519)
    key = {"KEYID": "id", "KEYFILE": "key.pem"}
    assert Settings.from_env({**key, "EXCHANGE": "https://x.example"}, tmp_path).key == {
        "KEYID": "id",
        "KEYFILE": str(tmp_path / "key.pem"),
    }
    assert Settings.from_env(key, tmp_path).key == {}


def test_the_source_tells_where_the_markets_come_from(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").touch()
    assert Settings.from_env({}, tmp_path).source == "5,000 markets simulated"
    assert Settings.from_env({"RECORDING": "r.jsonl"}, tmp_path).source == "the recording r.jsonl"
    assert Settings.from_env({"EXCHANGE": "https://x.example"}, tmp_path).source == "https://x.example"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"PORT": "http"}, "PORT"),
        ({"PORT": "65536"}, "PORT"),
        ({"PORT": "²"}, "PORT"),
        ({"MARKETS": "-1"}, "MARKETS"),
        ({"RECORDING": "missing.jsonl"}, "RECORDING"),
        ({"EXCHANGE": "kalshi.com"}, "EXCHANGE"),
        ({"RECORDING": "a", "EXCHANGE": "https://b"}, "RECORDING cannot be combined with EXCHANGE"),
        ({"EXCHANGE": "https://b", "KEYID": "id"}, "KEYFILE"),
        ({"EXCHANGE": "https://b", "KEYID": "id", "KEYFILE": "missing.pem"}, "missing.pem"),
        ({"EXCHANGE": "https://b\u200b"}, "EXCHANGE"),
        ({"EXCHANGE": "https://b", "KEYID": "i\u200bd", "KEYFILE": "key.pem"}, "KEYID"),
        ({"EXCHANGE": "https://b", "KEYID": "id", "KEYFILE": "no-key.pem"}, "KEYFILE: the Kalshi private key must be"),
        ({"RUNTIME_CLIENT": "theirs"}, "RUNTIME_CLIENT must be one of awslambdaric, own"),
        ({"LOG_LEVEL": "trace"}, "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ({"LOG_LEVEL": "10"}, "LOG_LEVEL"),
        ({"POWERTOOLS_LOG_LEVEL": "trace"}, "POWERTOOLS_LOG_LEVEL"),
        ({"CANDLE_CACHE_MB": "-1"}, "CANDLE_CACHE_MB"),
        ({"STATEMENT_TIMEOUT_MS": "soon"}, "STATEMENT_TIMEOUT_MS"),
        ({"COMBOS": "yes"}, "COMBOS"),
        ({"EXCHANGE_RATE": "0"}, "EXCHANGE_RATE"),
        ({"MARKETS_TABLE": "a b"}, "MARKETS_TABLE"),
        ({"DB_HOST": "h"}, "DB_USER"),
        ({"DB_HOST": "h", "DB_USER": "u", "DB_SSLMODE": "no"}, "DB_SSLMODE"),
        ({"DB_HOST": "h", "DB_USER": "u", "DB_SSLROOTCERT": "missing.pem"}, "DB_SSLROOTCERT"),
        ({"SSL_CERT_FILE": "missing.pem"}, "SSL_CERT_FILE"),
        ({"SSL_CERT_DIR": "missing"}, "SSL_CERT_DIR"),
        ({"EXCHANGE": "https://b", "HTTPS_PROXY": "socks5://p:1"}, "HTTPS_PROXY must be the address of an HTTP proxy"),
        ({"EXCHANGE": "https://b", "https_proxy": "http://p:1 x"}, "HTTPS_PROXY"),
    ],
)
def test_an_invalid_value_is_rejected_by_name(environment: dict[str, str], named: str, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(ED25519)
    (tmp_path / "no-key.pem").write_text("PEM")
    with pytest.raises(SettingsError, match=named):
        Settings.from_env(environment, tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("PORT=1\nnonsense\n", 2),
        ("# a comment\n\n  A B=1\n", 3),
        ('PORT=1\nA="abc\n', 2),
        ("A='abc\nPORT=1\n", 1),
        ('A="abc"def\n', 1),
        ("=1\n", 1),
    ],
)
def test_an_invalid_line_of_dot_env_is_rejected_by_number(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / ".env").write_text(text)
    with pytest.raises(SettingsError, match=f"line {line}: write NAME=value"):
        Settings.from_env({}, tmp_path)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r'"pa\"ss"', 'pa"ss'),
        ('"abc"#c', "abc"),
        ("abc#c", "abc#c"),
        ("'a\"b'", 'a"b'),
        ("$HOME ${HOME}", "$HOME ${HOME}"),
    ],
)
def test_values_of_dot_env_are_those_of_python_dotenv(tmp_path: Path, written: str, value: str) -> None:
    (tmp_path / ".env").write_text(f"README_URL={written}\n")
    assert Settings.from_env({}, tmp_path).functions["README_URL"] == value


def test_a_value_of_two_lines_is_rejected_by_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('README_URL="two\nlines"\n')
    with pytest.raises(SettingsError, match="README_URL contains a non-printable character"):
        Settings.from_env({}, tmp_path)


def test_dot_env_may_come_from_windows(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfPORT=9001\r\nMARKETS=10\r\n")
    settings = Settings.from_env({}, tmp_path)
    assert (settings.port, settings.markets) == (9001, 10)


def test_a_leading_tilde_is_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    for file, text in (("markets.jsonl", ""), ("ca.pem", ""), ("key.pem", ED25519)):
        (tmp_path / "home" / file).write_text(text)
    (tmp_path / ".env").write_text("DATA_DIR=~/kept\nRECORDING=~/markets.jsonl\nSSL_CERT_FILE='~/ca.pem'\n")
    settings = Settings.from_env({}, tmp_path)
    assert settings.data_dir == tmp_path / "home" / "kept"
    assert settings.recording == tmp_path / "home" / "markets.jsonl"
    assert settings.functions["SSL_CERT_FILE"] == str(tmp_path / "home" / "ca.pem")
    key = {"EXCHANGE": "https://x.example", "KEYID": "id", "KEYFILE": "~/key.pem", "RECORDING": ""}
    (tmp_path / ".env").unlink()
    assert Settings.from_env(key, tmp_path).key["KEYFILE"] == str(tmp_path / "home" / "key.pem")


def test_a_missing_home_is_reported_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DATA_DIR: no home folder for ~nobody-of-that-name; use an absolute path"):
        Settings.from_env({"DATA_DIR": "~nobody-of-that-name/x"}, tmp_path)
