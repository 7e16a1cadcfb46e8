"""Receives Extracta.ai's webhooks: `EXTRACTA_WEBHOOK_SECRET=... flask --app flask_app run`."""

import os

from flask import Flask, request

from extracta_rs import SIGNATURE_HEADER, SignatureVerificationError, unwrap

app, secret = Flask(__name__), os.environ["EXTRACTA_WEBHOOK_SECRET"]


@app.post("/webhooks/extracta")
def receive() -> tuple[str, int]:
    try:
        event = unwrap(request.get_data(), request.headers.get(SIGNATURE_HEADER), secret)
    except SignatureVerificationError:
        return "", 401
    # Store the keys: a delivery can come twice.
    app.logger.info("%s: %s", event.event, event.dedupe_keys)
    return "", 204
