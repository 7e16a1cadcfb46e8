"""Serve `examples/dedupe.py`, or do its work; die of SIGKILL at the step of that number.

A step is an SQL statement, or closing the database: what is in between is not seen from outside.
"""

import os
import runpy
import signal
import sqlite3
import sys
from typing import Any

from flask.cli import ScriptInfo
from werkzeug.serving import make_server

what, program, last_step = sys.argv[1], sys.argv[2], int(sys.argv[3])
steps: list[None] = []


def step() -> None:
    steps.append(None)
    if len(steps) == last_step and ready:
        os.kill(os.getpid(), signal.SIGKILL)


class Connection(sqlite3.Connection):
    def execute(self, *args: Any) -> sqlite3.Cursor:
        step()
        return super().execute(*args)

    def close(self) -> None:
        step()
        super().close()


def connect(*args: Any, _connect: Any = sqlite3.connect, **options: Any) -> Any:
    return _connect(*args, factory=Connection, **options)


sqlite3.connect = connect  # type: ignore[assignment]
ready = False
app = runpy.run_path(program)["app"]
# What is counted begins when the tables are there.
steps.clear()
ready = True
if what == "work":
    app.cli.main(["work"], obj=ScriptInfo(create_app=lambda: app), standalone_mode=False)
    print(len(steps))
else:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()
