"""What other machines reach by TLS: the endpoint, and for whoever has the token the proxy as well, on one port.

SageMaker's SDKs insist on `https://sts.<region>.amazonaws.com`, so that clients on other machines need the proxy too.
It opens connections for whom it serves, and so it does that for holders of the token alone.
"""

import base64
import hmac

from sagesmith.gateway.proxy import Proxy
from sagesmith.http.connect import Takeover
from sagesmith.http.messages import Handler, Request, Response

USER = "sagesmith"
"""The user name of the proxy's login; the password is the token (`credentials.KeyRing.proxy_token`)."""


class Outside:
    """Takes the requests of the TLS port.

    Args:
        handler: answers what is for the endpoint.
        token: what the proxy wants to see.
    """

    def __init__(self, handler: Handler, proxy: Proxy, token: str) -> None:
        self._handler = handler
        self._proxy = proxy
        self._login = b"Basic " + base64.b64encode(f"{USER}:{token}".encode())

    async def connect(self, request: Request, takeover: Takeover) -> None:
        """Take a CONNECT."""
        if self._may(request):
            await self._proxy.connect(request, takeover)
        else:
            takeover.refuse(_login_wanted())

    async def handle(self, request: Request) -> Response:
        """Answer a request to the endpoint, within a tunnel, or to the proxy in absolute form."""
        if request.host is not None or not request.target.lower().startswith(b"http://"):
            return await self._handler(request)
        return await self._proxy.handle(request) if self._may(request) else _login_wanted()

    def _may(self, request: Request) -> bool:
        return hmac.compare_digest(request.header(b"proxy-authorization") or b"", self._login)


def _login_wanted() -> Response:
    text = b"This proxy wants a login: `sagesmith env --for HOST` has it.\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"proxy-authenticate", b'Basic realm="Sagesmith"')]
    return Response(407, headers, text)
