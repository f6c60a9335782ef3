"""A reverse proxy that serves another server below a path of its own, as nginx does."""

import contextlib
import http.client
import http.server
import threading
import urllib.parse


@contextlib.contextmanager
def below_a_path(address: str, prefix: str):
    """Yields the address at which the server at `address` answers below `prefix`.

    The prefix is cut off, Host is the server's own address, and no header says what was asked for.
    """
    behind = urllib.parse.urlsplit(address).netloc

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            self.close_connection = True
            if not self.path.startswith(prefix):
                return self.send_error(404)
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            with contextlib.closing(http.client.HTTPConnection(behind)) as asked:
                asked.request(self.command, self.path.removeprefix(prefix), body, headers)
                with asked.getresponse() as answer:
                    self.pass_on(answer)

        def pass_on(self, answer):
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "date"):
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the browser wants no more
                while part := answer.read1():
                    self.wfile.write(part)

        do_GET = do_HEAD = do_POST = do_DELETE = forward

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}{prefix}/"
    finally:
        server.shutdown()
        server.server_close()
