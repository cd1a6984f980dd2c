"""TLS options of database connections."""

import ssl
from collections.abc import Sequence
from functools import lru_cache

from kalshi_markets.settings import DatabaseSettings


def ssl_options(settings: DatabaseSettings) -> Sequence[ssl.SSLContext | bool]:
    """Return the options to try, in order, for libpq's sslmode (postgresql.org/docs, libpq-ssl). False: no TLS."""
    if settings.sslmode == "disable":
        return [False]
    context = _ssl_context(settings.sslmode, settings.sslrootcert)
    if settings.sslmode == "allow":
        return [False, context]
    return [context, False] if settings.sslmode == "prefer" else [context]


@lru_cache(maxsize=8)
def _ssl_context(sslmode: str, sslrootcert: str | None) -> ssl.SSLContext:
    """Return a cached context. Loading the certificate authorities takes 40 ms."""
    # As in libpq, `require` with a root certificate means `verify-ca`.
    if sslmode in ("verify-ca", "verify-full") or (sslmode == "require" and sslrootcert):
        context = ssl.create_default_context(cafile=sslrootcert)
        context.check_hostname = sslmode == "verify-full"
        # libpq does not use strict checks. Python 3.13 rejects chains without an authority key identifier by default.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
