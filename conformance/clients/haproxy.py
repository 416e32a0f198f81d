"""HAProxy fills a server template from SRV records and follows health and registrations."""
import http.server, pathlib, tempfile, threading

from programs import DNS_PORT, fetch, free_port, put, running, until

CONFIG = """
global
    log stdout format raw local0
resolvers consul
    nameserver consul 127.0.0.1:%(dns)d
    accepted_payload_size 8192
    hold valid 1s
    hold obsolete 1s
    hold nx 1s
    timeout resolve 500ms
    timeout retry 500ms
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend front
    bind 127.0.0.1:%(port)d
    default_backend web
backend web
    balance roundrobin
    server-template web 4 _web._tcp.service.consul resolvers consul resolve-opts allow-dup-ip resolve-prefer ipv4
"""


class Backend:
    """An HTTP server that answers its own name."""
    def __init__(self, name):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        body = {"Name": "web", "ID": name, "Port": self.server.server_address[1], "Address": "127.0.0.1",
                "Check": {"TTL": "1h", "Status": "passing"}}
        put("agent/service/register", body)


def main():
    work, port = pathlib.Path(tempfile.mkdtemp()), free_port()
    (work / "haproxy.cfg").write_text(CONFIG % {"dns": DNS_PORT, "port": port})
    Backend("one"), Backend("two")

    def answers():
        return {fetch("http://127.0.0.1:%d/" % port) for _ in range(8)}
    with running(["haproxy", "-db", "-f", work / "haproxy.cfg"], work / "log"):
        until("both backends", lambda: answers() == {"one", "two"})
        put("agent/check/fail/service:one")
        until("only the healthy one", lambda: answers() == {"two"})
        Backend("three")
        until("a new one", lambda: answers() == {"two", "three"})


main()
