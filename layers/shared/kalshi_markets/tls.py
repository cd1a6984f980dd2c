"""TLS of connections to the database."""

import ssl
from collections.abc import Sequence
from functools import lru_cache

from kalshi_markets.settings import DatabaseSettings


def ssl_options(settings: DatabaseSettings) -> Sequence[ssl.SSLContext | bool]:
    """Return what to try, in order, for libpq's sslmode (postgresql.org/docs, libpq-ssl). False: no TLS."""
    if settings.sslmode == "disable":
        return [False]
    context = _ssl_context(settings.sslmode, settings.sslrootcert)
    if settings.sslmode == "allow":
        return [False, context]
    return [context, False] if settings.sslmode == "prefer" else [context]


@lru_cache(maxsize=8)
def _ssl_context(sslmode: str, sslrootcert: str | None) -> ssl.SSLContext:
    """Kept, since reading the authorities takes 40 ms."""
    # As libpq does it: require with an authority to trust means verify-ca.
    if sslmode in ("verify-ca", "verify-full") or (sslmode == "require" and sslrootcert):
        context = ssl.create_default_context(cafile=sslrootcert)
        context.check_hostname = sslmode == "verify-full"
        # libpq asks for no more than X.509 does; Python 3.13 would refuse chains without an authority key identifier.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
