import pathlib
import sys

import openai
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import harness  # noqa: E402


def _server(request, *flags, **kw):
    s = harness.Server(*flags, **kw)
    request.addfinalizer(lambda: _end(s))
    return s


def _end(s):
    """Whatever the test did, the server must have lived and must end well."""
    died = s.process.poll()
    code = s.stop()
    assert died is None and code == 0, f"the server ended with {code}, {'by itself' if died is not None else 'at the end'}:\n{s.tail()}"


@pytest.fixture(scope="session")
def server(request):
    """The tiny model; most tests."""
    return _server(request)


@pytest.fixture(scope="session")
def small(request):
    """Qwen 0.5B: tools, schemas, marks."""
    return _server(request, model=harness.SMALL)


@pytest.fixture
def fresh(request):
    """Makes servers of a test's own."""
    return lambda *flags, **kw: _server(request, *flags, **kw)


@pytest.fixture(scope="session")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0, timeout=120)


@pytest.fixture(scope="session")
def small_client(small):
    return openai.OpenAI(base_url=small.url + "/v1", api_key="none", max_retries=0, timeout=240)
