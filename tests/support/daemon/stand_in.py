"""Stands in for the daemon while the harness itself is tested: init, serve, and a few commands."""

import http.server
import os
import pathlib
import signal
import socketserver
import sys
import time

CONFIG = pathlib.Path(os.environ["KEYWHEEL_CONFIG"]).read_text()
DATA = pathlib.Path(CONFIG.split('"')[1])


class Answers(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "unix"

    def do_GET(self):
        is_known = self.path == "/healthz"
        body = b'{"status":"ok"}'
        self.send_response(200 if is_known else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(201)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve():
    if "broken" in CONFIG:
        sys.exit("error: the configuration is broken")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    path = DATA / "keywheel.sock"
    path.unlink(missing_ok=True)
    print("ready", os.environ.get("STAND_IN", "-"), flush=True)
    with socketserver.UnixStreamServer(str(path), Answers) as server:
        server.serve_forever()


if sys.argv[1] == "init":
    DATA.mkdir(mode=0o700)
elif sys.argv[1] == "serve":
    serve()
elif sys.argv[1] == "echo":
    sys.stdout.write(sys.stdin.read())
    sys.exit(5)
elif sys.argv[1] == "hang":
    time.sleep(3600)
