"""Where the page is served, and what its server refuses."""

import asyncio
import socket
import sys

import pytest

from mmseg_bisenet_lite.deploy.demo import cli
from mmseg_bisenet_lite.deploy.demo.server import OwnOnly, _no_proxy, check_address, is_loopback
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.mark.parametrize('host', ['127.0.0.1', '127.3.0.1', 'localhost', '::1'])
def test_addresses_of_this_machine_only(host):
    assert is_loopback(host)


@pytest.mark.parametrize('host', ['0.0.0.0', '::', '192.168.0.2', 'robot', 'localhost.example.org', ''])  # noqa: S104
def test_addresses_that_others_reach(host):
    assert not is_loopback(host)


def test_a_port_in_use_is_one_line_that_names_it_before_a_network_is_loaded(monkeypatch, capsys):
    monkeypatch.setattr(cli, 'open_models', lambda *_: pytest.fail('was loaded'))
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(sys, 'argv', ['demo', '--port', str(port)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        expected = f'demo: error: --host 127.0.0.1 --port {port}: address already in use; give another --port or --host'
        assert stopped.value.code == expected
    check_address('127.0.0.1', port)  # is free again


def test_an_address_of_another_machine_is_one_line():
    with pytest.raises(InputError, match=r'--host 192\.0\.2\.1 --port 7860: cannot assign requested address'):
        check_address('192.0.2.1', 7860)


@pytest.mark.parametrize('host', ['::1', '::', '[::1]'])
def test_an_address_that_gradio_cannot_serve_is_one_line(host):
    with pytest.raises(InputError, match=r'Gradio serves no IPv6 addresses; give 127\.0\.0\.1 or another of IPv4, or a name'):
        check_address(host, 7860)


def test_the_page_is_reached_past_a_proxy(monkeypatch):
    monkeypatch.setenv('no_proxy', 'example.org')
    monkeypatch.delenv('NO_PROXY', raising=False)
    own = 'localhost,127.0.0.1,0.0.0.0'
    assert _no_proxy('0.0.0.0') == {'no_proxy': f'example.org,{own}', 'NO_PROXY': own}  # noqa: S104


@pytest.mark.parametrize('port', ['0', '65536', '-1', 'http'])
def test_what_is_no_port_is_an_error_of_the_command_line(monkeypatch, capsys, port):
    monkeypatch.setattr(sys, 'argv', ['demo', f'--port={port}'])
    with pytest.raises(SystemExit) as stopped:
        cli.parse_args()
    assert stopped.value.code == 2
    assert f'--port: {port!r} is not a' in capsys.readouterr().err


def answer(path):
    """What the middleware passes on and sends for a request."""
    passed, sent = [], []

    async def app(scope, receive, send):
        passed.append(scope['path'])
        await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'a', b'b')]})
        await send({'type': 'http.response.body', 'body': b''})

    async def send(message):
        sent.append(message)

    asyncio.run(OwnOnly(app)({'type': 'http', 'path': path}, None, send))
    return passed[0], sent


def test_the_browser_is_told_to_load_nothing_from_other_machines():
    path, sent = answer('/config')
    assert path == '/config'
    assert sent[0]['headers'][0] == (b'a', b'b')
    name, policy = sent[0]['headers'][1]
    assert name == b'content-security-policy'
    assert policy.startswith(b"default-src 'self'")
    assert b'http' not in policy
    assert len(sent) == 2


@pytest.mark.parametrize('path', ['/gradio_api/file=https://example.org/a.png', '/file=HTTP://example.org/a.png'])
def test_the_server_fetches_nothing_for_a_visitor(path):
    assert answer(path)[0] == '/not-found'
