"""The commands about webhooks."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import click

from ._command import Command
from ._outcome import CommandError

if TYPE_CHECKING:
    from ._endpoint import Endpoint

LISTEN_PORT = 8765

body_option = click.option(
    "--body", required=True, help="The file of the raw body, or - for stdin."
)
header_option = click.option(
    "--header", required=True, help="The value of x-webhook-signature, or its line."
)


def to_endpoint(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Endpoint | None:
    """Turn the URL of an option into where it points to."""
    from ._endpoint import Endpoint

    try:
        return None if value is None else Endpoint(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(cls=Command)
@body_option
@header_option
def verify(body: str, header: str, as_json: bool) -> int:
    """Verify the signature of a webhook.

    The secret is never an argument: it is taken from EXTRACTA_WEBHOOK_SECRET (one, or several
    separated by white space) or asked for on the terminal. Ends with 0 if the signature holds,
    with 1 if it does not; `extracta-rs explain` tells why.
    """
    from ._signing import run_verify

    return run_verify(body, header, as_json)


@click.command(cls=Command)
@body_option
def sign(body: str, as_json: bool) -> None:
    """Print the signature of a webhook's body.

    It is the value of the header x-webhook-signature with which the service would send this body.
    The secret comes from EXTRACTA_WEBHOOK_SECRET (of several the first one signs), or is asked
    for.
    """
    from ._signing import run_sign

    run_sign(body, as_json)


@click.command(cls=Command)
@body_option
@header_option
def explain(body: str, header: str, as_json: bool) -> int:
    """Tell what is wrong with the signature of a webhook.

    The secret is never an argument: it is taken from EXTRACTA_WEBHOOK_SECRET (one, or several
    separated by white space) or asked for on the terminal. Ends with 0 if the signature holds,
    with 1 if it does not.
    """
    from ._explain import run_explain

    return run_explain(body, header, as_json)


@click.command(cls=Command)
@click.option(
    "--port",
    default=LISTEN_PORT,
    type=click.IntRange(0, 65535),
    show_default=True,
    help="Port on 127.0.0.1; 0 takes any that is free.",
)
@click.option(
    "--forward-to",
    metavar="URL",
    callback=to_endpoint,
    help="Your app: it gets each valid delivery.",
)
@click.option("--forward-invalid", is_flag=True, help="It gets the others, too.")
@click.option(
    "--keep",
    default=100,
    type=click.IntRange(1, 1000),
    show_default=True,
    help="How many deliveries the page shows.",
)
def listen(
    port: int, forward_to: Endpoint | None, forward_invalid: bool, keep: int, as_json: bool
) -> None:
    """Receive webhooks while you develop.

    Verifies each delivery, prints it as one line, and shows the latest on a page on this machine:
    whether the signature holds or why not, the files, the body. Lead a tunnel to the port, name
    the tunnel's URL in the dashboard, or send a sample with `extracta-rs trigger`.

    With --forward-to valid deliveries are passed on to your app, unchanged, and its status is what
    the sender gets (502 if there is no answer, 504 if it is late); the page can send one again.
    Without it they are answered 204. Invalid ones are answered 401; with --forward-invalid your
    app gets them, too, and must refuse them itself.

    The secret comes from EXTRACTA_WEBHOOK_SECRET (several, separated by spaces, while you change
    it), or is asked for. With --json each delivery is one JSON object on a line, after a first one
    with the URL. Ctrl-C ends it, with exit code 0.
    """
    from ._listen import run_listen
    from ._listen_view import JsonView, TextView
    from ._secret import webhook_secrets

    secrets = webhook_secrets()
    with contextlib.suppress(KeyboardInterrupt):
        run_listen(
            JsonView() if as_json else TextView(),
            secrets,
            port=port,
            app=forward_to,
            forward_invalid=forward_invalid,
            keep=keep,
        )


@click.command(cls=Command)
@click.argument("event")
@click.option(
    "--url",
    metavar="URL",
    callback=to_endpoint,
    default=f"http://127.0.0.1:{LISTEN_PORT}/",
    show_default=True,
    help="Where to send it.",
)
@click.option("--legacy", is_flag=True, help="The generation without an event in its body.")
@click.option(
    "--files", default=2, type=click.IntRange(0, 1000), show_default=True, help="How many files."
)
@click.option(
    "--failed",
    type=click.IntRange(0, 1000),
    help="How many of them failed; all of them in *.failed, else none.",
)
@click.option("--seed", help="Any word; the same word gives the same ids. They are new otherwise.")
@click.option("--bad-signature", is_flag=True, help="Sign it with another secret.")
def trigger(
    event: str, url: Endpoint, legacy: bool, files: int, failed: int | None, seed: str | None,
    bad_signature: bool, as_json: bool,
) -> None:  # fmt: skip
    """Send a signed sample delivery.

    EVENT is extraction.processed, extraction.failed, extraction.edited, extraction.confirmed,
    classification.processed, or any other word: the service may announce more of them. With
    --legacy it decides only what kind of files there are.

    The secret comes from EXTRACTA_WEBHOOK_SECRET (of several the first one signs), or is asked
    for. The exit code is 0 if the answer is 2xx, and 1 otherwise.
    """
    from ._secret import webhook_secrets
    from ._trigger import encode, report, sample, send, told

    if failed is not None and failed > files:
        raise click.UsageError("--failed is more than --files")
    planned = sample(event, legacy=legacy, files=files, failed=failed, seed=seed)
    body = planned.body()
    raw = encode(body)
    answer = send(raw, webhook_secrets()[0], url, bad_signature=bad_signature)
    if as_json:
        click.echo(json.dumps(report(planned, body, url.url, answer)))
    else:
        click.echo(told(planned, len(raw), url.url, answer))
    if answer.status is None:
        raise CommandError(f"{url.url}: {answer.error}")
    if not 200 <= answer.status < 300:
        raise CommandError(f"{url.url} answered {answer.status}")


COMMANDS = (verify, sign, explain, listen, trigger)
