"""TLS of database connections: whose certificates are trusted."""

import ssl
from typing import Any

import pytest

from kalshi_markets import tls
from kalshi_markets.settings import DatabaseSettings
from kalshi_markets.tls import ssl_options
from tests.support.certificates import certificate_for

INSTANCE = "kalshi.abc123.us-east-1.rds.amazonaws.com"
PROXY = "kalshi.proxy-abc123.us-east-1.rds.amazonaws.com"


@pytest.fixture(autouse=True)
def no_cached_context() -> None:
    """Forget the contexts of other tests, which may have been created with other authorities of the system."""
    tls._verifying_context.cache_clear()


def context(host: str, mode: str = "verify-full", **variables: str) -> ssl.SSLContext:
    """Return the context of the first attempt to connect."""
    [option, *_] = ssl_options(DatabaseSettings.from_env({"DB_HOST": host, "DB_SSLMODE": mode} | variables))
    assert isinstance(option, ssl.SSLContext)
    return option


def names(trusted: ssl.SSLContext) -> list[str]:
    """Return the common names of the trusted authorities, sorted."""
    subjects: list[Any] = [certificate["subject"] for certificate in trusted.get_ca_certs()]
    return sorted(value for subject in subjects for part in subject for key, value in part if key == "commonName")


@pytest.mark.parametrize("host", [INSTANCE, INSTANCE.upper()])
def test_an_instance_in_rds_is_vouched_for_by_the_authorities_of_rds_alone(host: str) -> None:
    trusted = context(host)
    assert trusted.check_hostname
    assert len(names(trusted)) >= 27
    assert all(name.startswith("Amazon RDS") for name in names(trusted))


@pytest.mark.parametrize("host", ["db.example.com", PROXY, f"{INSTANCE}.example.com"])
def test_any_other_host_is_vouched_for_by_the_authorities_of_the_system(host: str) -> None:
    assert names(context(host)) == names(ssl.create_default_context())


def test_a_file_of_authorities_replaces_all_others(tmp_path_factory: pytest.TempPathFactory) -> None:
    certificate, _ = certificate_for("localhost", tmp_path_factory.mktemp("certificate"))
    trusted = context(INSTANCE, DB_SSLROOTCERT=str(certificate))
    assert len(trusted.get_ca_certs()) == 1
    assert names(trusted) == names(ssl.create_default_context(cafile=certificate))


def test_verify_ca_does_not_compare_names_and_require_verifies_nothing() -> None:
    assert not context(INSTANCE, "verify-ca").check_hostname
    assert context(INSTANCE, "verify-ca").verify_mode == ssl.CERT_REQUIRED
    assert context(INSTANCE, "require").verify_mode == ssl.CERT_NONE
