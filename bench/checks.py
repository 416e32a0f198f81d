#!/usr/bin/env python3
"""What many health checks cost one agent, ours and a peer's in turn.

    bench/checks.py --bin target/release/consul [--peer /path/to/another/consul] [--checks 5000] [--kind http]

Registers that many services with a check each, every 10 s, against one HTTP server (or TCP port) on loopback, waits until all pass,
and prints the CPU the agent uses while nothing changes, in percent of one core, and its memory.
"""
import argparse, http.client, json, socketserver, threading, time

from run import Server

INTERVAL_SECONDS = 10
MEASURE_SECONDS = 30
PASS_DEADLINE_SECONDS = 60


class Target(socketserver.StreamRequestHandler):
    """Answers one request with 200 and hangs up."""

    def handle(self):
        self.request.settimeout(5)
        try:
            if self.request.recv(65536):
                self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        except OSError:
            pass


class TargetServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


def measure(binary, a, port):
    server = Server(binary)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

        def call(method, path, body=None):
            connection.request(method, path, json.dumps(body) if body else None)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, (path, answer.status, text)
            return text
        where = {"HTTP": "http://127.0.0.1:%d/" % port} if a.kind == "http" else {"TCP": "127.0.0.1:%d" % port}
        for n in range(a.checks):
            check = {**where, "Interval": "%ds" % INTERVAL_SECONDS, "Timeout": "5s"}
            call("PUT", "/v1/agent/service/register", {"Name": "s%d" % (n % 100), "ID": "s-%d" % n, "Port": 1000 + n, "Check": check})
        deadline = time.monotonic() + PASS_DEADLINE_SECONDS
        passing = 0
        while passing < a.checks and time.monotonic() < deadline:
            time.sleep(1)
            passing = len(json.loads(call("GET", "/v1/health/state/passing"))) - 1
        time.sleep(INTERVAL_SECONDS)
        before = server.cpu_seconds()
        time.sleep(MEASURE_SECONDS)
        cpu = (server.cpu_seconds() - before) / MEASURE_SECONDS * 100
        print("%-40s %d of %d pass, %.1f %% of a core, %.0f MiB" % (binary, passing, a.checks, cpu, server.memory_mib()))
    finally:
        server.stop()


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--bin", required=True)
    ap.add_argument("--peer")
    ap.add_argument("--checks", type=int, default=5000)
    ap.add_argument("--kind", choices=["http", "tcp"], default="http")
    a = ap.parse_args()
    with TargetServer(("127.0.0.1", 0), Target) as target:
        threading.Thread(target=target.serve_forever, daemon=True).start()
        for binary in [a.bin] + ([a.peer] if a.peer else []):
            measure(binary, a, target.server_address[1])


if __name__ == "__main__":
    main()
