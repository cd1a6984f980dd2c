"""TLS options of database connections."""

import ssl
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from kalshi_markets.settings import DatabaseSettings

RDS_AUTHORITIES: Final = Path(__file__).with_name("rds-ca.pem")
"""Certificate authorities of instances in RDS, which are not among those of the system."""


def ssl_options(settings: DatabaseSettings) -> Sequence[ssl.SSLContext | bool]:
    """Return the options to try, in order, for libpq's sslmode (postgresql.org/docs, libpq-ssl). False: no TLS."""
    if settings.sslmode == "disable":
        return [False]
    # As in libpq, `require` with a root certificate means `verify-ca`.
    if settings.sslmode in ("verify-ca", "verify-full") or (settings.sslmode == "require" and settings.sslrootcert):
        return [_verifying_context(_authorities(settings), check_hostname=settings.sslmode == "verify-full")]
    context = _encrypting_context()
    if settings.sslmode == "allow":
        return [False, context]
    return [context, False] if settings.sslmode == "prefer" else [context]


def _authorities(settings: DatabaseSettings) -> str | None:
    """Return the PEM file of the authorities to trust, or None for those of the system."""
    host = settings.host.lower()
    # The certificates of RDS Proxy are of Amazon's public authorities (docs.aws.amazon.com, RDS Proxy, TLS).
    if settings.sslrootcert or not host.endswith(".rds.amazonaws.com") or ".proxy-" in host:
        return settings.sslrootcert
    return str(RDS_AUTHORITIES)


@lru_cache(maxsize=8)
def _verifying_context(authorities: str | None, *, check_hostname: bool) -> ssl.SSLContext:
    """Return a cached context. Loading the system's authorities takes 40 ms."""
    context = ssl.create_default_context(cafile=authorities)
    context.check_hostname = check_hostname
    # libpq does not use strict checks. Python 3.13 rejects chains without an authority key identifier by default.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


@lru_cache(maxsize=1)
def _encrypting_context() -> ssl.SSLContext:
    """Return a cached context that verifies nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
