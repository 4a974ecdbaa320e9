"""What it means when TLS does not come about."""

from __future__ import annotations

import ssl

from taskq.errors import UntrustedServer

# Reasons of OpenSSL for which a repetition would fail too -> what to say; others may be a connection that broke.
_ADVICE = {
    "CERTIFICATE_VERIFY_FAILED": "for a certificate authority of your own, add ?ssl_ca_certs=/path/ca.pem to the URL; "
    "the host in the URL has to stand in the certificate",
    "WRONG_VERSION_NUMBER": "what answers there speaks no TLS: use redis://, or the TLS port of the server",
    "CERTIFICATE_REQUIRED": "the server wants a certificate of the client: add ?ssl_certfile=/path/client.pem"
    "&ssl_keyfile=/path/client.key to the URL",
    "ALERT_UNKNOWN_CA": "the server does not know who has issued the certificate in ssl_certfile",
    "ALERT_CERTIFICATE_EXPIRED": "the certificate in ssl_certfile has expired",
    "ALERT_BAD_CERTIFICATE": "the server does not accept the certificate in ssl_certfile",
    "HANDSHAKE_FAILURE": "server and client have no protocol or cipher in common, or the server wants a certificate",
    "ALERT_PROTOCOL_VERSION": "server and client have no version of TLS in common",
}


def untrusted(error: BaseException, address: str) -> UntrustedServer | None:
    """Return the error to raise if TLS is what has failed; None if it is something else, or may pass.

    Args:
        error: what was raised, perhaps because of an error of TLS.
        address: of the server, safe to print.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    reason = str(cause.reason or "")
    advice = next((text for word, text in _ADVICE.items() if word in reason), None)
    if advice is None:
        return None
    shown = (
        cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else reason.lower().replace("_", " ")
    )
    return UntrustedServer(
        f"no trusted connection to {address}: {shown}. Nothing was sent. {advice[0].upper()}{advice[1:]}"
    )
