"""A client of an ovsdb-server that keeps its connection: JSON-RPC (RFC 7047), for tests that write thousands of times.

Failure: LabError with the server's words. What it does not do: no monitor.
"""
import json
import socket
import time

from processes import LabError


class OvsdbClient:
    """remote: "unix:PATH", or the path of a socket."""

    def __init__(self, path):
        self.path, self.socket, self.text, self.next_id = path.removeprefix("unix:"), None, "", 0

    def _connect(self, deadline=20):
        end = time.monotonic() + deadline
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(20)
            try:
                self.socket.connect(self.path)
                self.text = ""
                return
            except OSError as error:
                self.close()
                if time.monotonic() > end:
                    raise LabError(f"{self.path}: {error}") from error
                time.sleep(0.05)

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def _message(self):
        decoder = json.JSONDecoder()
        while True:
            try:
                value, end = decoder.raw_decode(self.text)
                self.text = self.text[end:].lstrip()
                return value
            except ValueError:
                pass
            data = self.socket.recv(1 << 16)
            if not data:
                raise OSError("the connection was closed")
            self.text += data.decode()

    def transact(self, database, *operations):
        """The results. A connection that was lost before is made anew; one that is lost meanwhile is an error."""
        if self.socket is None:
            self._connect()
        self.next_id += 1
        request = json.dumps({"id": self.next_id, "method": "transact", "params": [database, *operations]})
        try:
            self.socket.sendall(request.encode())
            while True:
                message = self._message()
                if message.get("method") == "echo":
                    self.socket.sendall(json.dumps({"id": message["id"], "result": message["params"],
                                                    "error": None}).encode())
                elif message.get("id") == self.next_id:
                    break
        except OSError as error:
            self.close()
            raise LabError(f"{self.path}: {error}") from error
        if message.get("error"):
            raise LabError(f"{database}: {message['error']}")
        for result in message["result"]:
            if result and "error" in result:
                raise LabError(f"{database}: {result}: {operations}")
        return message["result"]
