"""Serve the page: on this machine only unless told otherwise, without calls to other machines, and leaving nothing behind."""

import ipaddress
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.deploy.demo.model import Model
from mmseg_bisenet_lite.deploy.demo.page import build_page
from mmseg_bisenet_lite.deploy.demo.upload import FFMPEG_OPTIONS, FFMPEG_OPTIONS_NAME
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.scratch import scratch_folder

PREFIX = 'bisenet-lite-demo-'
# The browser itself then refuses to load fonts, scripts or anything else from another machine.
OWN_ONLY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'"

Messages = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class OwnOnly:
    """ASGI middleware: nothing is loaded from other machines, neither by the browser nor by the server."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Messages) -> None:
        """Answer a request."""

        async def send_with_policy(message: MutableMapping[str, Any]) -> None:
            if message['type'] == 'http.response.start':
                message['headers'] = [*message.get('headers', ()), (b'content-security-policy', OWN_ONLY)]
            await send(message)

        if 'file=http' in scope.get('path', '').lower():  # Gradio would fetch it for the visitor
            scope['path'] = '/not-found'
        await self.app(scope, receive, send_with_policy)


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    try:
        return host == 'localhost' or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(host: str, port: int) -> None:
    """Raise an error if nothing can listen there.

    Raises:
        InputError: The port is in use or not allowed, or the machine has no such address.
    """
    if ':' in host:
        raise InputError(f'--host {host}: Gradio serves no IPv6 addresses; give 127.0.0.1 or another of IPv4, or a name')
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            listener.bind((host, port))
            listener.listen()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f'--host {host} --port {port}: {reason}; give another --port or --host') from error


def serve(models: dict[str, Model], host: str, port: int, most_frames: int, most_megabytes: int) -> None:
    """Serve the page until Ctrl-C or SIGTERM.

    Args:
        models: The networks to choose from, by their names.
        host: Address to listen on.
        port: Port to listen on.
        most_frames: Number of frames of a video to run on.
        most_megabytes: Largest upload.

    Raises:
        InputError: Gradio is not installed, or the address cannot be used.
    """
    check_address(host, port)
    with scratch_folder(Path(tempfile.gettempdir()), PREFIX) as folder:
        settings = {
            'GRADIO_TEMP_DIR': str(folder),
            'GRADIO_ANALYTICS_ENABLED': 'False',
            'GRADIO_RUN_HISTORY': 'False',  # of all runs, with their files, kept in the browser
            'HF_HUB_DISABLE_TELEMETRY': '1',
            'HF_HUB_OFFLINE': '1',
            FFMPEG_OPTIONS_NAME: FFMPEG_OPTIONS,
            **_no_proxy(host),
        }
        os.environ.update(settings)  # before Gradio's import, which reads some of them
        gr = require('gradio', 'gradio')
        middleware = require('starlette.middleware', 'starlette').Middleware
        results = folder / 'results'
        results.mkdir()
        page = build_page(models, results, most_frames, most_megabytes)
        system = ['system-ui', 'sans-serif']  # fonts that the visitor has
        try:
            with as_input_error(f'--host {host} --port {port}: Gradio cannot start', OSError):
                page.launch(
                    server_name=host,
                    server_port=port,
                    prevent_thread_lock=True,
                    quiet=True,
                    share=False,
                    ssr_mode=False,
                    mcp_server=False,
                    pwa=False,
                    enable_monitoring=False,
                    footer_links=[],
                    css='video { max-height: 70vh }',  # of a portrait one
                    max_file_size=most_megabytes * 2**20,
                    theme=gr.themes.Default(font=system, font_mono=['monospace']),
                    app_kwargs={'middleware': [middleware(OwnOnly), *_trusted(host)]},
                )
            if not is_loopback(host):
                print(
                    f'warning: with --host {host} everybody who reaches port {port} of this machine can use the page, without '
                    'a password',
                    file=sys.stderr,
                )
            print(f'open http://{_address(host)}:{port} in a browser; Ctrl-C ends this', flush=True)
            threading.Event().wait()
        finally:
            page.close(verbose=False)


def _no_proxy(host: str) -> dict[str, str]:
    """Return the settings by which Gradio reaches its own server, to see whether it runs, not through a proxy."""
    own = ['localhost', '127.0.0.1', host]
    return {name: ','.join([*filter(None, [os.environ.get(name)]), *own]) for name in ('no_proxy', 'NO_PROXY')}


def _trusted(host: str) -> list[Any]:
    """Return what keeps pages of others, opened in the same browser, from reaching this one under a name of their own."""
    if not is_loopback(host):
        return []
    middleware = require('starlette.middleware', 'starlette').Middleware
    guard = require('starlette.middleware.trustedhost', 'starlette').TrustedHostMiddleware
    return [middleware(guard, allowed_hosts=['localhost', '127.0.0.1', host])]


def _address(host: str) -> str:
    return 'localhost' if host == '0.0.0.0' else host  # noqa: S104
