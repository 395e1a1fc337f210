"""The daemon's native API as the oracle needs it. What the API looks like stands here alone."""

import http.client
import json
import socket
import urllib.parse


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout):
        super().__init__("keywheel", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Refused(Exception):
    """The API answered with a status that is not a success."""

    def __init__(self, status, path, body):
        super().__init__(f"{path}: status {status}: {body[:300]}")
        self.status = status


class Api:
    def __init__(self, socket_path, timeout=30):
        self.socket_path = str(socket_path)
        self.timeout = timeout

    def get(self, path, **query):
        query = {key: value for key, value in query.items() if value is not None}
        if query:
            path += "?" + urllib.parse.urlencode(query)
        connection = Connection(self.socket_path, self.timeout)
        try:
            connection.request("GET", "/api/v1" + path, headers={"accept": "application/json"})
            answer = connection.getresponse()
            body = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise Refused(answer.status, path, body)
        return json.loads(body)

    def items(self, path, key="items", by="after", **query):
        """Every item of a list, page by page."""
        cursor = None
        while True:
            page = self.get(path, **{by: cursor}, **query)
            yield from page[key]
            cursor = page.get("next")
            if not cursor:
                return

    @staticmethod
    def segment(name):
        """A name as one segment of a path: its slashes are encoded too."""
        return urllib.parse.quote(name, safe="")

    def secrets(self):
        for item in self.items("/secrets", key="secrets", limit=1000):
            yield self.get("/secrets/" + self.segment(item["name"]))

    def versions(self, name):
        return list(self.items(f"/secrets/{self.segment(name)}/versions"))

    def fields(self, name, version):
        """The fields of one stored version, or None where the value is gone for good."""
        try:
            answer = self.get(f"/secrets/{self.segment(name)}/value", version=version)
        except Refused as refusal:
            if refusal.status in (404, 410):
                return None
            raise
        return answer.get("value", answer)

    def rotations(self, name):
        for item in self.items("/rotations", by="before", secret=name, limit=1000):
            shown = self.get("/rotations/" + item["id"])
            yield {**shown, "events": shown["timeline"]}

    def occurrences(self, name):
        return list(self.items("/occurrences", secret=name, limit=1000))
