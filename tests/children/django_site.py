"""Serves a Django project whose views take webhooks in ways that go wrong.

Prints its port, then the report on each delivery as one JSON line.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from extracta_rs import explain_signature

SECRET = os.environ["EXTRACTA_WEBHOOK_SECRET"]
TAKE = {
    "body": lambda request: request.body,
    "JsonResponse": lambda request: JsonResponse(json.loads(request.body)).content,
    "POST": lambda request: request.POST.urlencode(),
    "dict": lambda request: str(request.POST.dict()),
    "str": lambda request: str(request.body),
}


def webhook(request: HttpRequest, name: str) -> HttpResponse:
    header = request.META.get("HTTP_X_WEBHOOK_SIGNATURE")
    report = explain_signature(TAKE[name](request), header, SECRET)
    print(json.dumps(dataclasses.asdict(report)), flush=True)
    return HttpResponse(status=204)


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


urlpatterns = [path("<name>", webhook)]
settings.configure(ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, SECRET_KEY="-")
django.setup()
with make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet) as server:
    print(server.server_port, flush=True)
    for _ in range(int(sys.argv[1])):
        server.handle_request()
