"""How adapters are built: secrets, limits, paths, and frameworks that are not there."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from extracta_rs import SIGNATURE_HEADER, ConfigurationError, sign

SECRET = "E_AI_K_adäpters"
BODY = b'{"result":[{"fileId":"f"}]}'
VARIABLE = "EXTRACTA_WEBHOOK_SECRET"
BUILDERS: dict[str, Callable[..., object]] = {
    "flask": lambda module, *args, **options: module.webhook(*args, **options),
    "flask-blueprint": lambda module, *args, **options: module.webhook_blueprint(
        print, *args, **options
    ),
    "fastapi": lambda module, *args, **options: module.Webhook(*args, **options),
    "django": lambda module, *args, **options: module.webhook(*args, **options),
    "starlette": lambda module, *args, **options: module.webhook(*args, **options),
    "asgi": lambda module, *args, **options: module.WebhookMiddleware(print, *args, **options),
    "wsgi": lambda module, *args, **options: module.WebhookMiddleware(print, *args, **options),
}
FRAMEWORKS = {
    "flask": "Flask",
    "fastapi": "FastAPI",
    "django": "Django",
    "starlette": "Starlette",
}


@pytest.fixture(params=BUILDERS)
def build(request: pytest.FixtureRequest) -> Callable[..., object]:
    module = importlib.import_module(f"extracta_rs.{request.param.split('-')[0]}")
    return lambda *args, **options: BUILDERS[request.param](module, *args, **options)


def test_without_a_secret_an_application_does_not_start(
    build: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigurationError, match=VARIABLE):
        build()
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(ConfigurationError, match=VARIABLE):
        build()
    monkeypatch.setenv(VARIABLE, "E_AI_K_")
    with pytest.raises(ConfigurationError, match="webhook secret"):
        build()


@pytest.mark.parametrize("secret", ["", b"", "E_AI_K_", [], (), ["a", ""], ["E_AI_K_"], "\ud800"])
def test_secrets_that_anyone_could_sign_with(build: Callable[..., object], secret: Any) -> None:
    with pytest.raises(ConfigurationError, match="webhook secret"):
        build(secret)


def test_what_is_no_secret(build: Callable[..., object]) -> None:
    for value in (5, [None], print):
        with pytest.raises(TypeError):
            build(value)
    with pytest.raises(ConfigurationError, match="max_body_size"):
        build("secret", max_body_size=0)


def test_a_secret_stays_out_of_sight(build: Callable[..., object]) -> None:
    assert "SECRET-HOOK" not in repr(vars(build("E_AI_K_SECRET-HOOK")))


def test_the_secret_of_the_environment(
    kind: str, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    site = serve(kind)
    # What counts is the secret of the start.
    monkeypatch.setenv(VARIABLE, "another")
    assert site.deliver(BODY).status == 204
    assert site.deliver(BODY, "another").status == 401


def test_both_secrets_of_the_environment_while_they_change(
    kind: str, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"E_AI_K_new {SECRET}\n")
    site = serve(kind)
    for secret, status in ((SECRET, 204), ("E_AI_K_new", 204), (f"E_AI_K_new {SECRET}", 401)):
        assert site.deliver(BODY, secret).status == status


@pytest.mark.parametrize("secret", [SECRET, SECRET.encode(), [SECRET]], ids=["str", "bytes", "one"])
def test_one_secret(kind: str, serve: Callable[..., Any], secret: Any) -> None:
    site = serve(kind, secret)
    assert site.deliver(BODY).status == 204
    assert site.deliver(BODY, "another").status == 401


def test_a_list_of_secrets_that_changes_later(serve: Callable[..., Any]) -> None:
    secrets = [SECRET]
    site = serve("asgi", secrets)
    secrets.clear()
    assert site.deliver(BODY).status == 204


def test_ten_megabytes_are_the_limit_unless_told_otherwise(
    kind: str, serve: Callable[..., Any]
) -> None:
    site = serve(kind, SECRET)
    # Django's own limit, 2.5 MB, does not count here.
    body = b'{"result":[{"fileId":"%s"}]}' % (b"f" * (10_000_000 - 26))
    assert site.deliver(body).status == 204
    assert site.bodies == [body]
    larger = body.replace(b"ff", b"fff", 1)
    signature = f"{SIGNATURE_HEADER}: {sign(larger, SECRET)}"
    sent = larger if site.reads_first else b""  # The others need no byte of it.
    answer = site.send(f"Content-Length: {len(larger)}", signature, body=sent)
    assert (answer.status, answer.json()) == (413, {"error": "too_large"})


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_without_the_framework_the_error_says_what_to_install(name: str) -> None:
    program = f"""
import sys, extracta_rs
assert not any(name.split(".")[0] in {set(FRAMEWORKS)} for name in sys.modules)
sys.modules["{name}"] = None
try:
    import extracta_rs.{name}
except ModuleNotFoundError as error:
    print(error, "|", error.name)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stderr == ""
    wanted = f"extracta_rs.{name} needs {FRAMEWORKS[name]}: pip install {name} | {name}\n"
    assert ran.stdout == wanted


def test_a_framework_that_lacks_something_itself_says_so() -> None:
    program = "import sys; sys.modules['werkzeug'] = None; import extracta_rs.flask"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install flask" not in ran.stderr
    assert "werkzeug" in ran.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["asgi", "wsgi"])
def test_the_middlewares_need_no_framework(name: str) -> None:
    program = f"import sys, extracta_rs.{name}; print({set(FRAMEWORKS)} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("set()\n", "")
