"""SMART Backend Services (SMART App Launch 2, "Backend Services"): a token for a JWT signed with our key.

The assertion follows RFC 7523 and RFC 7515; SMART requires RS384 or ES384 (RFC 7518 §3.3, §3.4).
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import httpx
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from radflow.clock import utc_now
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.oauth2 import (
    TokenAuth,
    TokenFlow,
    form,
    json_of,
    timeout_of,
    token_of,
)
from radflow.settings.base import ConfigError
from radflow.settings.smart import SmartBackendServices

ASSERTION_LIFE = timedelta(minutes=4)
"""SMART allows five minutes; a clock that is a little ahead shall not break that."""
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_P384_BYTES = 48


def smart_auth(auth: SmartBackendServices, fhir_url: str, now: Callable[[], datetime] = utc_now) -> TokenAuth:
    """Authentication at the FHIR server of this base URL."""

    def fetch(request: httpx.Request) -> TokenFlow:
        token_url = auth.token_url
        if not token_url:
            found = yield httpx.Request(
                "GET",
                f"{fhir_url.rstrip('/')}/.well-known/smart-configuration",
                headers={"Accept": "application/json"},
                extensions=timeout_of(request),
            )
            token_url = _token_endpoint(found, auth.algorithm)
        answer = yield form(
            token_url,
            {
                "grant_type": "client_credentials",
                "scope": auth.scope,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": client_assertion(auth, token_url, now()),
            },
            for_=request,
        )
        return token_of(answer, now())

    return TokenAuth(fetch, now)


def client_assertion(auth: SmartBackendServices, token_url: str, now: datetime) -> str:
    """The signed JWT by which we are known; each has a `jti` of its own, and is used once.

    Raises:
        ConfigError: the key cannot be read, or is none for the algorithm.
    """
    header = {"alg": auth.algorithm, "kid": auth.key_id, "typ": "JWT"}
    claims = {
        "iss": auth.client_id,
        "sub": auth.client_id,
        "aud": token_url,
        "exp": int((now + ASSERTION_LIFE).timestamp()),
        "jti": str(uuid4()),
    }
    signed = b".".join(_base64url(orjson.dumps(part)) for part in (header, claims))
    return b".".join((signed, _base64url(_signature(auth, signed)))).decode()


def _token_endpoint(found: httpx.Response, algorithm: str) -> str:
    """What the server's discovery document says (SMART App Launch 2, "Conformance")."""
    configuration = json_of(found)
    if found.status_code >= 500:
        raise Unavailable(f"smart-configuration: HTTP {found.status_code}")
    endpoint = configuration.get("token_endpoint")
    if not found.is_success or not isinstance(endpoint, str):
        raise Refused(
            f"smart-configuration: HTTP {found.status_code}, no token_endpoint. "
            "Give token_url in the site file."
        )
    known = configuration.get("token_endpoint_auth_signing_alg_values_supported", [algorithm])
    if algorithm not in known:
        raise Refused(f"The authorization server does not take {algorithm}, but {', '.join(known)}.")
    return endpoint


def _signature(auth: SmartBackendServices, signed: bytes) -> bytes:
    try:
        key = load_pem_private_key(auth.key.read_bytes(), password=None)
    except OSError as error:
        raise ConfigError(f"The SMART key {auth.key}: {error.strerror}.") from None
    except (ValueError, TypeError):
        raise ConfigError(f"The SMART key {auth.key} is no PEM private key without a passphrase.") from None
    if auth.algorithm == "RS384" and isinstance(key, rsa.RSAPrivateKey):
        return key.sign(signed, padding.PKCS1v15(), SHA384())
    if auth.algorithm == "ES384" and isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size == 384:
        # RFC 7518 §3.4: R and S side by side, not the DER that OpenSSL makes.
        return b"".join(
            number.to_bytes(_P384_BYTES, "big")
            for number in decode_dss_signature(key.sign(signed, ec.ECDSA(SHA384())))
        )
    raise ConfigError(f"The SMART key {auth.key} is not of the kind that {auth.algorithm} needs.")


def _base64url(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")
