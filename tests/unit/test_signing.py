import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from kalshi_markets.credentials import Credentials
from kalshi_markets.exchange.signing import Signer
from kalshi_markets.settings import SettingsError

# RFC 8032 key with the seed bytes 00..1f, and its signature, which is deterministic.
ED25519_BODY = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
ED25519 = f"-----BEGIN PRIVATE KEY-----\n{ED25519_BODY}\n-----END PRIVATE KEY-----\n"
ED25519_SIGNATURE = "ylVJvU6HfrEYdvXDSlaNFfcYBoS75TLAd7Ig41IOju1Uu3ieT9d0cgn3WLeJVGgjLob8qBabchaQJdCvw5+VAQ=="
PATH = "/trade-api/v2/markets"


PASTED = {
    "as it is": ED25519,
    "in one line of JSON": ED25519.replace("\n", "\\n"),
    "in one line of JSON, from Windows": ED25519.replace("\n", "\\r\\n"),
    "from Windows": ED25519.replace("\n", "\r\n"),
    "with a byte order mark": f"\ufeff{ED25519}",
    "indented": ED25519.replace("\n", "\n    "),
    "with empty lines": f"  {ED25519}\n\n".replace("\n", "\n\n"),
    "with spaces for line ends": ED25519.replace("\n", " "),
    "with no-break spaces": ED25519.replace("\n", "\u00a0\n"),
}


@pytest.mark.parametrize("pem", PASTED.values(), ids=PASTED)
def test_ed25519_signs_time_method_and_path(pem: str) -> None:
    assert Signer(Credentials("id", pem)).headers("get", PATH, 1_700_000_000_000) == {
        "KALSHI-ACCESS-KEY": "id",
        "KALSHI-ACCESS-TIMESTAMP": "1700000000000",
        "KALSHI-ACCESS-SIGNATURE": ED25519_SIGNATURE,
    }


def test_rsa_signs_with_pss_and_a_salt_of_the_digests_length() -> None:
    key = rsa.generate_private_key(65537, 2048)
    traditional = serialization.PrivateFormat.TraditionalOpenSSL
    pem = key.private_bytes(serialization.Encoding.PEM, traditional, serialization.NoEncryption()).decode()
    headers = Signer(Credentials("id", pem)).headers("GET", PATH, 1_700_000_000_000)
    signature = base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"])
    message = b"1700000000000GET/trade-api/v2/markets"
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
    key.public_key().verify(signature, message, pss, hashes.SHA256())
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, message + b"?limit=1", pss, hashes.SHA256())


def other_kind() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    pkcs8 = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption()).decode()


@pytest.mark.parametrize("pem", ["", "nonsense", ED25519.replace("MC4C", "AAAA"), other_kind()])
def test_an_invalid_key_is_rejected_without_echoing_it(pem: str) -> None:
    with pytest.raises(SettingsError, match="private key") as caught:
        Signer(Credentials("id", pem))
    assert ED25519_BODY[4:] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_credentials_do_not_show_their_secret() -> None:
    assert "hidden" not in repr(Credentials("name", "hidden"))
