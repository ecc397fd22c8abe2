"""What OpenSSL says of a certificate."""

import ssl
from collections.abc import Mapping


def described(context: ssl.SSLContext) -> Mapping[str, object]:
    """Return what `SSLContext.get_ca_certs` tells of the one certificate in a context.

    It is empty where that cannot be told, as with a name or a URL that is not of its encoding: OpenSSL trusts such a
    certificate all the same. It is empty, too, where the certificate is no authority's.
    """
    try:
        return next(iter(context.get_ca_certs()), {})
    except (ssl.SSLError, UnicodeDecodeError):
        return {}
