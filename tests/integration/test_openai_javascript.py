"""The official OpenAI client for JavaScript, in client.mjs."""

import pathlib
import subprocess

from harness import SMALL, TINY, eventually


def test_javascript_client(server, small):
    r = subprocess.run(
        ["node", str(pathlib.Path(__file__).parent / "client.mjs"), server.url, TINY, small.url, SMALL],
        capture_output=True, text=True, timeout=240,
    )
    assert r.returncode == 0, r.stdout + r.stderr
    assert r.stdout.count(",") == 9
    assert eventually(lambda: server.metric("llamacpp:requests_processing") == 0, 5)
