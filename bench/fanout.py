#!/usr/bin/env python3
"""Park many watchers of one service on a client agent, change it, and print how long until all have the answer, ours and a peer's in turn.

    bench/fanout.py --bin target/release/consul [--peer /path/to/another/consul] [--watchers 10000] [--instances 20] [--servers 1]
                    [--runs 1] [--query cached]

Every watcher is a connection of its own to the client agent with a blocking query on /v1/health/service/web. One instance is
registered anew at the server with another port; measured from sending that to the whole new answer, for the median watcher and the
last, and the CPU both agents use from the change to the last answer. Five changes a run. The watchers are one epoll loop in
Python on the same cores: its own CPU is printed too, for it bounds how early the last answer can be seen.
"""
import json, re, select, socket, statistics, sys, time

from pairs import allow_files, arguments, compare, config, cpu_seconds, memory_mib

CHANGES = 5
PARK_DEADLINE_SECONDS, ANSWER_DEADLINE_SECONDS = 120, 120
QUIET_SECONDS, QUIET_SHARE = 1.0, 0.05
RECEIVE_BYTES = 256 * 1024
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
INDEX = re.compile(rb"\r\nx-consul-index: (\d+)", re.IGNORECASE)
FIGURES = [
    ("change to the last watcher's answer", "ms", False),
    ("change to the median watcher's answer", "ms", False),
    ("cpu of the client agent, a change", "ms", False),
    ("cpu of the server, a change", "ms", False),
    ("cpu of the watchers themselves, a change", "ms", False),
    ("client agent, resident with all parked", "MiB", False),
    ("server, resident with all parked", "MiB", False),
    ("watchers answered without a change", "", False),
]


def whole(data):
    """Whether data is a complete answer, with a length or in chunks."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = LENGTH.search(data, 0, end)
    return len(data) >= end + 4 + int(length.group(1)) if length else data.endswith(b"\r\n0\r\n\r\n")


class Crowd:
    """Connections with one blocking query each, in one loop that does as little as it can for each answer."""

    def __init__(self, addr, count, query):
        self.epoll, self.sockets, self.partial, self.strays = select.epoll(), {}, {}, 0
        self.request = b"GET /v1/health/service/web?index=%%d&wait=300s%s HTTP/1.1\r\nHost: b\r\n\r\n" % (b"&" + query.encode() if query else b"")
        for _ in range(count):
            s = socket.create_connection((addr, 8500), timeout=30)
            s.setblocking(False)
            self.sockets[s.fileno()] = s
            self.epoll.register(s.fileno(), select.EPOLLIN)

    def ask(self, index):
        text = self.request % index
        for s in self.sockets.values():
            s.send(text)

    def answers(self, seconds):
        """The complete answers that come in before `seconds` without any have passed, as (connection, bytes)."""
        for fd, _ in self.epoll.poll(seconds):
            data = self.sockets[fd].recv(RECEIVE_BYTES)
            if not data:
                raise SystemExit("the agent closed a watcher's connection")
            data = self.partial.pop(fd, b"") + data
            if whole(data):
                yield fd, data
            else:
                self.partial[fd] = data

    def again(self, fd, data):
        """An answer that does not have the change: asks on from its index, as a watcher does."""
        if not data.startswith(b"HTTP/1.1 200"):
            raise SystemExit("a watcher's answer: %s" % data[:300])
        self.strays += 1
        self.sockets[fd].send(self.request % int(INDEX.search(data).group(1)))

    def park(self, agents):
        """Waits until the agents have nothing left to do for the queries sent."""
        deadline = time.monotonic() + PARK_DEADLINE_SECONDS
        while time.monotonic() < deadline:
            cpu, end = sum(map(cpu_seconds, agents)), time.monotonic() + QUIET_SECONDS
            busy = False
            while time.monotonic() < end:
                for fd, data in self.answers(0.1):
                    self.again(fd, data)
                    busy = True
            if not busy and sum(map(cpu_seconds, agents)) - cpu < QUIET_SHARE * QUIET_SECONDS:
                return
        print("watchers did not come to rest", file=sys.stderr)

    def collect(self, mark):
        """The moment each has a whole answer that contains the mark, and the highest index seen."""
        moments, index, deadline = [], 0, time.monotonic() + ANSWER_DEADLINE_SECONDS
        while len(moments) < len(self.sockets):
            if time.monotonic() > deadline:
                raise SystemExit("%d of %d watchers have no answer" % (len(self.sockets) - len(moments), len(self.sockets)))
            for fd, data in self.answers(1):
                if mark not in data:
                    self.again(fd, data)
                    continue
                moments.append(time.perf_counter())
                index = max(index, int(INDEX.search(data).group(1)))
        return moments, index

    def close(self):
        for s in self.sockets.values():
            s.close()
        self.epoll.close()


def registration(n, port):
    check = {"CheckID": "service:web-%d" % n, "Name": "Service 'web' check", "Status": "passing", "ServiceID": "web-%d" % n, "Output": "HTTP GET http://10.0.0.1/: 200 OK Output: ok"}
    return {"Node": "web-node-%d" % n, "Address": "10.0.0.%d" % (n % 250 + 1), "Checks": [check],
            "Service": {"ID": "web-%d" % n, "Service": "web", "Tags": ["v1", "primary"], "Port": port, "Address": "10.1.0.%d" % (n % 250 + 1)}}


def measure(a):
    def of(lab, binary):
        servers = lab.servers(a.servers, binary=binary, config=config())
        client = lab.client("client", servers, binary=binary, config=config(a.watchers + 1000))
        server = lab.leader(servers)
        for n in range(a.instances):
            server.put("/v1/catalog/register", registration(n, 8000))
        path = "/v1/health/service/web"
        client.until(path, lambda v: len(v) == a.instances, "all instances at the client agent")
        index = client.http("GET", path).index
        crowd = Crowd(client.addr, a.watchers, a.query)
        writer = socket.create_connection((server.addr, 8500), timeout=30)
        values = {name: [] for name, *_ in FIGURES}
        for change in range(CHANGES):
            crowd.ask(index)
            crowd.park([client, server])
            values["client agent, resident with all parked"].append(memory_mib(client))
            values["server, resident with all parked"].append(memory_mib(server))
            port = 9000 + change
            body = json.dumps(registration(0, port)).encode()
            cpu = [cpu_seconds(client), cpu_seconds(server), time.process_time()]
            begin = time.perf_counter()
            writer.sendall(b"PUT /v1/catalog/register HTTP/1.1\r\nHost: b\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            moments, index = crowd.collect(b'"Port":%d,' % port)
            used = [cpu_seconds(client) - cpu[0], cpu_seconds(server) - cpu[1], time.process_time() - cpu[2]]
            answer = writer.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit("the change was refused: %s" % answer)
            values["change to the last watcher's answer"].append((max(moments) - begin) * 1000)
            values["change to the median watcher's answer"].append((statistics.median(moments) - begin) * 1000)
            for name, seconds in zip(["client agent", "server", "watchers themselves"], used):
                values["cpu of the %s, a change" % name].append(seconds * 1000)
        values["watchers answered without a change"].append(crowd.strays)
        crowd.close()
        writer.close()
        return {name: statistics.median(seen) for name, seen in values.items()}
    return of


def main():
    ap = arguments(__doc__, runs=1)
    ap.add_argument("--watchers", type=int, default=10000)
    ap.add_argument("--instances", type=int, default=20)
    ap.add_argument("--servers", type=int, default=1)
    ap.add_argument("--query", default="", help="added to each query, for instance cached or stale")
    a = ap.parse_args()
    allow_files(a.watchers + 1000)
    compare(a, FIGURES, measure(a))


if __name__ == "__main__":
    main()
