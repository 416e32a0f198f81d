#!/usr/bin/env python3
"""Fill one server with the catalog of a large fleet over real RPC, ours and a peer's in turn, and print what holding it costs.

    bench/fleet.py --bin target/release/consul [--peer /path/to/another/consul] [--scale 0.1] [--nodes 10000] [--instances 172000]
                   [--services 500] [--connections 48] [--streams 4] [--runs 1]

Simulated client agents send `Catalog.Register` to the RPC port: msgpack over yamux, every field as the reference writes it
(docs/spec/rpc-and-state.md §1.2, §2), one call at a time on each stream, a node with its check first and then its services with a check
each. Connections come from several loopback addresses, for a server takes 100 from one. The calls are put together before the
clock starts; the load's share of a core is printed, for it runs on the same machine. `--scale` makes everything but the number of
connections smaller. Goal: 10,000 nodes with 172,000 instances in less than 2 GiB.
"""
import collections, random, select, socket, statistics, struct, sys, time, uuid

from pairs import allow_files, arguments, compare, config, cpu_seconds, memory_mib, wait

CONNECTIONS_AN_ADDRESS = 50
STALL_SECONDS = 30
SETTLE_SECONDS = 45  # a snapshot of the state is written within 30 s
MEASURE_SECONDS = 15
RESTART_DEADLINE_SECONDS = 120
READS = 20
DATA, WINDOW, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
FRAME = struct.Struct(">BBHII")
WINDOW_BYTES = 256 * 1024
RECEIVE_BYTES = 256 * 1024
FIGURES = [
    ("registrations", "/s", True),
    ("cpu of the server, a registration", "us", False),
    ("load generator (above 90: it is the bound)", "% of a core", False),
    ("resident, right after", "MiB", False),
    ("resident, peak", "MiB", False),
    ("resident, settled", "MiB", False),
    ("anonymous, settled", "MiB", False),
    ("cpu, settled", "% of a core", False),
    ("health of one service, never asked for before", "ms", False),
    ("health of one service", "ms", False),
    ("all service names", "ms", False),
    ("all nodes", "ms", False),
    ("killed and started again, to the first answered write", "ms", False),
]


# ---------------------------------------------------------------- msgpack, as much as is needed

def pack(value):
    """The reference's form: the old raw family, smallest integers, sorted keys. bytes are packed already."""
    if isinstance(value, bytes):
        return value
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        for limit, head, form in ((0x80, b"", ">B"), (0x100, b"\xcc", ">B"), (0x10000, b"\xcd", ">H"), (1 << 32, b"\xce", ">I"), (1 << 64, b"\xcf", ">Q")):
            if value < limit:
                return head + struct.pack(form, value)
    if isinstance(value, str):
        text = value.encode()
        return sized(len(text), 0xa0, 32, 0xda) + text
    if isinstance(value, list):
        return sized(len(value), 0x90, 16, 0xdc) + b"".join(map(pack, value))
    if isinstance(value, dict):
        return sized(len(value), 0x80, 16, 0xde) + b"".join(pack(k) + pack(value[k]) for k in sorted(value))
    raise TypeError(value)


def sized(count, small, limit, wide):
    if count < limit:
        return bytes([small | count])
    return struct.pack(">BH", wide, count) if count < 0x10000 else struct.pack(">BI", wide + 1, count)


class Short(Exception):
    """The value is not complete yet."""


def unpack(data, at):
    """(value, end) of what replies are made of: maps, texts, integers, nil, booleans."""
    if at >= len(data):
        raise Short
    head = data[at]
    at += 1
    if head < 0x80:
        return head, at
    if head < 0x90:
        out = {}
        for _ in range(head & 15):
            key, at = unpack(data, at)
            out[key], at = unpack(data, at)
        return out, at
    if 0xa0 <= head < 0xc0:
        return text(data, at, head & 31)
    if head in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[head], at
    form = {0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q", 0xd9: ">B", 0xda: ">H", 0xdb: ">I"}.get(head)
    if form is None:
        raise SystemExit("a reply has the msgpack byte %#x" % head)
    width = struct.calcsize(form)
    if at + width > len(data):
        raise Short
    number = struct.unpack_from(form, data, at)[0]
    return text(data, at + width, number) if head >= 0xd9 else (number, at + width)


def text(data, at, length):
    if at + length > len(data):
        raise Short
    return bytes(data[at:at + length]).decode(), at + length


# ---------------------------------------------------------------- what agents register

RAFT_INDEX = {"CreateIndex": 0, "ModifyIndex": 0}
MESH_GATEWAY = pack({"Mode": ""})
PROXY = pack({"DestinationServiceName": "", "DestinationServiceID": "", "LocalServiceAddress": "", "LocalServicePort": 0, "LocalServiceSocketPath": "",
              "Mode": "", "Config": None, "Upstreams": None, "MeshGateway": MESH_GATEWAY, "Expose": {"Checks": False, "Paths": None},
              "TransparentProxy": {"OutboundListenerPort": 0, "DialedDirectly": False}})
CONNECT = pack({"Native": False, "SidecarService": None, "PeerMeta": None})
WEIGHTS = pack({"Passing": 1, "Warning": 1})
DEFINITION = pack({"HTTP": "", "TLSServerName": "", "TLSSkipVerify": False, "Header": None, "Method": "", "Body": "", "DisableRedirects": False, "TCP": "", "UDP": "",
                   "H2PING": "", "OSService": "", "H2PingUseTLS": False, "Interval": 0, "OutputMaxSize": 0, "Timeout": 0, "DeregisterCriticalServiceAfter": 0,
                   "ScriptArgs": None, "DockerContainerID": "", "Shell": "", "GRPC": "", "GRPCUseTLS": False, "AliasNode": "", "AliasService": "", "TTL": 0})
TAGS = ["v1", "primary"]


def check(node, check_id, name, output, kind, service_id="", service=""):
    return {"Node": node, "CheckID": check_id, "Name": name, "Status": "passing", "Notes": "", "Output": output, "ServiceID": service_id, "ServiceName": service,
            "ServiceTags": TAGS if service_id else None, "Type": kind, "Interval": "10s" if kind else "", "Timeout": "5s" if kind else "", "ExposedPort": 0, "PeerName": "",
            "Definition": DEFINITION, **RAFT_INDEX}


def node_calls(n, services, shape, seed):
    """The bodies one agent sends: itself with a check, then each of `services` (name numbers) with a check."""
    node, address = "node-%05d" % n, "10.%d.%d.%d" % (n >> 16 & 255, n >> 8 & 255, n & 255)
    base = {"Datacenter": "dc1", "ID": str(uuid.UUID(int=seed.getrandbits(128), version=4)), "Node": node, "Address": address,
            "TaggedAddresses": pack({k: address for k in ("lan", "lan_ipv4", "wan", "wan_ipv4")}), "NodeMeta": pack({"consul-network-segment": "", "rack": "r%d" % (n % 40)}),
            "Service": None, "Check": None, "Checks": None, "SkipNodeUpdate": False, "PeerName": "", "Token": "", **RAFT_INDEX}
    # Not `serfHealth`: the leader takes nodes with that check out of the catalog when gossip does not know them.
    yield pack({**base, "Check": check(node, "agentHealth", "Agent alive", "Agent alive and reachable", "")})
    for k, number in enumerate(services):
        name, port = shape % number, 8000 + k
        service_id = "%s-%05d-%02d" % (name, n, k)
        service = {"Kind": "", "ID": service_id, "Service": name, "Tags": TAGS, "Address": address,
                   "TaggedAddresses": {"lan_ipv4": {"Address": address, "Port": port}, "wan_ipv4": {"Address": address, "Port": port}}, "Meta": {"version": "1.2.3"},
                   "Port": port, "SocketPath": "", "Weights": WEIGHTS, "EnableTagOverride": False, "Proxy": PROXY, "Connect": CONNECT,
                   "LocallyRegisteredAsSidecar": False, "PeerName": "", **RAFT_INDEX}
        state = check(node, "service:" + service_id, "Service '%s' check" % name, "HTTP GET http://%s:%d/health: 200 OK Output: ok" % (address, port), "http", service_id, name)
        yield pack({**base, "SkipNodeUpdate": True, "Service": service, "Check": state})


def fleet(nodes, instances, services):
    """The calls of each node in order; instance i is of service i % services on node i % nodes."""
    seed = random.Random(1)
    return [list(node_calls(n, [i % services for i in range(n, instances, nodes)], SERVICE, seed)) for n in range(nodes)]


SERVICE = "service-%03d"


# ---------------------------------------------------------------- a client agent's connection

class Stream:
    def __init__(self, number):
        self.number, self.credit, self.unreported, self.data, self.calls, self.seq = number, WINDOW_BYTES, 0, bytearray(), collections.deque(), 0


class Session:
    """One yamux session; each stream has one call out at a time and takes a node's calls when it has none left."""

    def __init__(self, source, target, streams, work):
        self.socket = socket.create_connection(target, timeout=30, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.out, self.data, self.work, self.done = bytearray(b"\x04"), bytearray(), work, 0
        self.streams = {n: Stream(n) for n in range(1, 2 * streams, 2)}
        self.busy = len(self.streams)
        for stream in self.streams.values():
            self.frame(WINDOW, SYN, stream.number, 0)
            self.call(stream)

    def frame(self, kind, flags, stream, length, payload=b""):
        self.out += FRAME.pack(0, kind, flags, stream, length) + payload

    def call(self, stream):
        if not stream.calls:
            stream.calls.extend(next(self.work, ()))
        if not stream.calls:
            self.busy -= 1
            return
        stream.seq += 1
        payload = pack({"Seq": stream.seq, "ServiceMethod": "Catalog.Register"}) + stream.calls.popleft()
        stream.credit -= len(payload)
        if stream.credit < 0:
            raise SystemExit("the server keeps the window of a stream shut")
        self.frame(DATA, 0, stream.number, len(payload), payload)

    def flush(self):
        """Whether everything is out."""
        if self.out:
            try:
                del self.out[:self.socket.send(self.out)]
            except BlockingIOError:
                pass
        return not self.out

    def receive(self):
        data = self.socket.recv(RECEIVE_BYTES)
        if not data:
            raise SystemExit("the server closed a connection")
        self.data += data
        at = 0
        while len(self.data) - at >= FRAME.size:
            _, kind, flags, number, length = FRAME.unpack_from(self.data, at)
            if kind == DATA and len(self.data) - at - FRAME.size < length:
                break
            at += FRAME.size
            if kind == PING and flags & SYN:
                self.frame(PING, ACK, 0, length)
            if kind == GO_AWAY or flags & (FIN | RST):
                raise SystemExit("the server ended a %s (flags %d)" % ("session" if kind == GO_AWAY else "stream", flags))
            if kind == WINDOW:
                self.streams[number].credit += length
            if kind == DATA:
                self.replies(self.streams[number], self.data[at:at + length])
                at += length
        del self.data[:at]

    def replies(self, stream, data):
        stream.data += data
        stream.unreported += len(data)
        if stream.unreported >= WINDOW_BYTES // 2:
            self.frame(WINDOW, 0, stream.number, stream.unreported)
            stream.unreported = 0
        try:
            header, at = unpack(stream.data, 0)
            _, at = unpack(stream.data, at)
        except Short:
            return
        if header["Error"] or header["Seq"] != stream.seq:
            raise SystemExit("Catalog.Register: %s" % header)
        del stream.data[:at]
        self.done += 1
        self.call(stream)


class Clients:
    """All sessions in one loop. They stay connected until closed."""

    def __init__(self, addr, count, streams, nodes):
        work = iter(nodes)
        self.epoll, self.sessions = select.epoll(), {}
        for n in range(count):
            source = "127.77.%d.%d" % divmod(n // CONNECTIONS_AN_ADDRESS + 1, 250)
            session = Session(source, (addr, 8300), streams, work)
            self.sessions[session.socket.fileno()] = session
            self.epoll.register(session.socket.fileno(), select.EPOLLIN)

    def run(self):
        """Until all calls are answered; returns their number."""
        for fd, session in self.sessions.items():
            self.flush(fd, session)
        while any(session.busy for session in self.sessions.values()):
            events = self.epoll.poll(STALL_SECONDS)
            if not events:
                raise SystemExit("no reply for %d s" % STALL_SECONDS)
            for fd, event in events:
                session = self.sessions[fd]
                if event & ~select.EPOLLOUT:
                    session.receive()
                self.flush(fd, session)
        return sum(session.done for session in self.sessions.values())

    def flush(self, fd, session):
        self.epoll.modify(fd, select.EPOLLIN if session.flush() else select.EPOLLIN | select.EPOLLOUT)

    def idle(self, seconds):
        """Answers the server's pings meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for fd, _ in self.epoll.poll(left):
                self.sessions[fd].receive()
                self.flush(fd, self.sessions[fd])

    def close(self):
        for session in self.sessions.values():
            session.socket.close()
        self.epoll.close()


# ---------------------------------------------------------------- the measurement

def read(server, paths):
    """Milliseconds a GET takes, connection included (median); the last answer's list."""
    took = []
    for path in paths:
        begin = time.perf_counter()
        answer = server.http("GET", path, timeout=60)
        took.append((time.perf_counter() - begin) * 1000)
        if answer.status != 200:
            raise SystemExit("%s: %d %s" % (path, answer.status, answer.text[:200]))
    return statistics.median(took), answer.json


def measure(a, nodes, instances, services, calls):
    def of(lab, binary):
        server, = lab.servers(1, binary=binary, config=config())
        clients = Clients(server.addr, a.connections, a.streams, calls)
        cpu, own, begin = cpu_seconds(server), time.process_time(), time.perf_counter()
        done = clients.run()
        seconds = time.perf_counter() - begin
        values = {"registrations": done / seconds, "cpu of the server, a registration": (cpu_seconds(server) - cpu) / done * 1e6,
                  "load generator (above 90: it is the bound)": (time.process_time() - own) / seconds * 100,
                  "resident, right after": memory_mib(server)}
        values["health of one service, never asked for before"], _ = read(server, ["/v1/health/service/" + SERVICE % n for n in range(min(services, READS))])
        values["health of one service"], entries = read(server, ["/v1/health/service/" + SERVICE % 0] * READS)
        values["all service names"], names = read(server, ["/v1/catalog/services"] * READS)
        values["all nodes"], all_nodes = read(server, ["/v1/catalog/nodes"] * READS)
        expected = (len(range(0, instances, services)), min(services, instances) + 1, nodes + 1)
        if (len(entries), len(names), len(all_nodes)) != expected:
            raise SystemExit("instances, services, nodes: %s, not %s" % ((len(entries), len(names), len(all_nodes)), expected))
        clients.idle(SETTLE_SECONDS)
        cpu = cpu_seconds(server)
        clients.idle(MEASURE_SECONDS)
        values["cpu, settled"] = (cpu_seconds(server) - cpu) / MEASURE_SECONDS * 100
        values["resident, settled"], values["anonymous, settled"] = memory_mib(server), memory_mib(server, "RssAnon")
        values["resident, peak"] = memory_mib(server, "VmHWM")
        clients.close()
        begin = time.perf_counter()
        server.kill()
        server.start(ready=False)
        wait(lambda: server.put("/v1/kv/ready", "1") is True, "a write after the restart", RESTART_DEADLINE_SECONDS, every=0.02)
        values["killed and started again, to the first answered write"] = (time.perf_counter() - begin) * 1000
        if len(server.get("/v1/catalog/nodes")) != nodes + 1:
            raise SystemExit("nodes are missing after the restart")
        return values
    return of


def main():
    ap = arguments(__doc__, runs=1)
    ap.add_argument("--scale", type=float, default=1.0)
    ap.add_argument("--nodes", type=int, default=10000)
    ap.add_argument("--instances", type=int, default=172000)
    ap.add_argument("--services", type=int, default=500)
    ap.add_argument("--connections", type=int, default=48)
    ap.add_argument("--streams", type=int, default=4, help="of each connection, with one call at a time each")
    a = ap.parse_args()
    nodes, instances, services = (max(1, round(n * a.scale)) for n in (a.nodes, a.instances, a.services))
    allow_files(a.connections + 1000)
    calls = fleet(nodes, instances, services)
    sizes = [len(body) for node in calls for body in node]
    print("%d nodes, %d instances of %d services, %d connections with %d streams, %d calls of %.0f bytes" % (
        nodes, instances, services, a.connections, a.streams, len(sizes), statistics.mean(sizes)), file=sys.stderr)
    compare(a, FIGURES, measure(a, nodes, instances, services, calls))


if __name__ == "__main__":
    main()
