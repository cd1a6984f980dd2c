"""Verification of signed requests, which have KALSHI-ACCESS-* headers (docs.kalshi.com, API Keys).

The four errors and the tolerated skew were observed on production, 2026-06 to 2026-10.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from local.exchange.clock import SECOND
from local.exchange.http.errors import ExchangeError, unauthorized

PublicKey = RSAPublicKey | Ed25519PublicKey

PREFIX = "kalshi-access-"
MILLISECONDS = re.compile(r"[0-9]{1,15}")
MAX_SKEW = 30 * SECOND


def load_public_key(pem_file: Path) -> PublicKey:
    """Return the public key in a PEM file, or the public half of the private key in it.

    Raises OSError or ValueError.
    """
    pem = pem_file.read_bytes()
    private = load_pem_private_key(pem, password=None) if b"PRIVATE KEY" in pem else None
    if isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        return private.public_key()
    public = load_pem_public_key(pem)
    if isinstance(public, RSAPublicKey | Ed25519PublicKey):
        return public
    raise ValueError("the key must be RSA or Ed25519")


def is_signed(headers: Mapping[str, str]) -> bool:
    return any(name.lower().startswith(PREFIX) for name in headers)


def verify(keys: Mapping[str, PublicKey], now: int, method: str, path: str, headers: Mapping[str, str]) -> str:
    """Return the id of the key that signed this method and path within MAX_SKEW. Raises the 401 as ExchangeError."""
    signature, timestamp = headers.get(PREFIX + "signature"), headers.get(PREFIX + "timestamp", "")
    if not signature:
        raise unauthorized("signature_is_missing")
    if not MILLISECONDS.fullmatch(timestamp) or abs(int(timestamp) * 1000 - now) > MAX_SKEW:
        raise unauthorized("header_timestamp_expired")
    key_id = headers.get(PREFIX + "key", "")
    key = keys.get(key_id)
    if key is None:
        raise _authentication_error("NOT_FOUND")
    try:
        _check(key, b64decode(signature, validate=True), (timestamp + method + path).encode())
    except (InvalidSignature, ValueError):
        raise _authentication_error("INCORRECT_API_KEY_SIGNATURE") from None
    return key_id


def _check(key: PublicKey, signature: bytes, message: bytes) -> None:
    if isinstance(key, Ed25519PublicKey):
        key.verify(signature, message)
    else:
        key.verify(signature, message, PSS(mgf=MGF1(SHA256()), salt_length=SHA256.digest_size), SHA256())


def _authentication_error(details: str) -> ExchangeError:
    return unauthorized("authentication_error", details)
