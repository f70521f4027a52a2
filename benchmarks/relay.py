"""The reference, a byte relay that looks at nothing: `python -m benchmarks.relay PORT UPSTREAM_PORT`."""

import argparse
import asyncio

import uvloop
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

UPSTREAM = web.AppKey("upstream", str)
SESSION = web.AppKey("session", ClientSession)
SENT = {"Content-Type": "application/json", "Authorization": "Bearer sk-up"}
OF_ONE_HOP = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}
LARGEST_BODY = 64 * 1024 * 1024
BACKLOG = 4096


async def relay(request: web.Request) -> web.StreamResponse:
    """Send the request on and write each read of the answer as it comes."""
    address, body = request.app[UPSTREAM] + request.raw_path, await request.read()
    async with request.app[SESSION].request(request.method, address, data=body, headers=SENT) as answer:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in OF_ONE_HOP}
        if answer.content_length is not None:
            return web.Response(status=answer.status, headers=headers, body=await answer.read())
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        async for data in answer.content.iter_any():
            await response.write(data)
        await response.write_eof()
        return response


def make_app(session: ClientSession, upstream: str) -> web.Application:
    """Build the relay to `upstream`, such as "http://127.0.0.1:9000"."""
    app = web.Application(client_max_size=LARGEST_BODY)
    app[UPSTREAM], app[SESSION] = upstream, session
    app.router.add_route("*", "/{path:.*}", relay)
    return app


async def serve(port: int, upstream_port: int) -> None:
    """Serve until the process is ended."""
    connector = TCPConnector(limit=0, keepalive_timeout=60)
    timeout = ClientTimeout(total=None)
    async with ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
        runner = web.AppRunner(make_app(session, f"http://127.0.0.1:{upstream_port}"), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("port", type=int)
    arguments.add_argument("upstream_port", type=int)
    given = arguments.parse_args()
    uvloop.run(serve(given.port, given.upstream_port))
