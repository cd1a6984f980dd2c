"""Request signatures of Kalshi (docs.kalshi.com, API keys): RSA-PSS or Ed25519 over time, method and path."""

import base64
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kalshi_markets.credentials import Credentials
from kalshi_markets.settings import SettingsError

_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)


class Signer:
    """Signer of requests with one API key.

    The constructor raises SettingsError unless the key is an unencrypted RSA or Ed25519 PEM.
    """

    def __init__(self, credentials: Credentials) -> None:
        try:
            key = load_pem_private_key(_normalize_pem(credentials.secret).encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # The cause may quote the key.
            raise SettingsError("the Kalshi private key must be an unencrypted PEM file.") from None
        if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
            raise SettingsError("the Kalshi private key must be RSA or Ed25519.")
        self._key_id = credentials.username
        self._key = key

    def headers(self, method: str, path: str, milliseconds: int) -> dict[str, str]:
        """Return the three authentication headers of a request.

        path: path from the host's root, without the query string.
        milliseconds: exchange time, in Unix milliseconds.
        """
        message = f"{milliseconds}{method.upper()}{path}".encode()
        if isinstance(self._key, RSAPrivateKey):
            signature = self._key.sign(message, _PSS, hashes.SHA256())
        else:
            signature = self._key.sign(message)
        return {
            "KALSHI-ACCESS-KEY": self._key_id,
            "KALSHI-ACCESS-TIMESTAMP": str(milliseconds),
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }


def _normalize_pem(text: str) -> str:
    """Return a PEM with line feeds, whatever JSON, YAML, .env files or Windows made of its line breaks."""
    lines = text.replace("\\r", "").replace("\\n", "\n").strip("\ufeff").splitlines()
    return "\n".join(line.strip() for line in lines if line.strip()) + "\n"
