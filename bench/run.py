#!/usr/bin/env python3
"""Measure a `consul` binary and a peer in turn on this machine, and print ratios.

    bench/run.py --bin target/release/consul --peer /path/to/another/consul [--rounds 3] [--seconds 5] [--only TEXT]

Each round starts each binary afresh as a durable single server (`agent -server -bootstrap-expect=1`) with an empty data
directory, measures, and kills it: A B A B … so that a drift of the machine's speed hits both. Needs `wrk`. Traffic stays on
loopback. Printed: the median of each figure and ours against the peer's (for times and memory the peer's against ours, so
that a number above 1 is always in our favour).
"""
import argparse, contextlib, http.client, os, pathlib, re, shutil, signal, statistics, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "conformance"))
from conform import free_ports  # noqa: E402

READY_DEADLINE_SECONDS = 30
IDLE_SECONDS = 5
PUT_LUA = """
wrk.method = "PUT"
wrk.body = string.rep("x", 128)
local n, thread = 0, 0
function setup(t) t:set("id", thread) thread = thread + 1 end
function request() n = n + 1 return wrk.format(nil, string.format("/v1/kv/bench/%d/%d", id, n % 1000)) end
"""


class Server:
    """One durable server on free ports; knows how long its first answered write took."""

    def __init__(self, binary, max_conns=1000):
        self.dir = tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("BENCH_DIR"))
        kinds = ["http", "dns", "server", "serf_lan", "serf_wan"]
        ports = dict(zip(kinds, free_ports(len(kinds))))
        self.port, self.dns_port = ports["http"], ports["dns"]
        # Ports by HCL: every version understands it. The peer's gRPC stays off by default.
        hcl = "ports { %s }" % " ".join("%s = %d" % p for p in ports.items())
        command = [binary, "agent", "-server", "-bootstrap-expect=1", "-data-dir", self.dir, "-bind", "127.0.0.1",
                   "-client", "127.0.0.1", "-node", "bench", "-hcl", hcl, "-hcl", "performance { raft_multiplier = 1 }",
                   "-hcl", "limits { http_max_conns_per_client = %d }" % max_conns, "-hcl", "disable_update_check = true", "-log-level", "warn"]
        self.log = open(os.path.join(self.dir, "agent.log"), "wb")
        begin = time.perf_counter()
        self.proc = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        self.ready_seconds = self.wait_for_write(begin)

    def wait_for_write(self, begin):
        while time.perf_counter() - begin < READY_DEADLINE_SECONDS:
            with contextlib.suppress(OSError, http.client.HTTPException):
                c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                c.request("PUT", "/v1/kv/ready", b"1")
                if c.getresponse().read().strip() == b"true":
                    return time.perf_counter() - begin
            if self.proc.poll() is not None:
                break
            time.sleep(0.002)
        raise SystemExit("server did not become ready:\n" + open(self.log.name).read()[-2000:])

    def memory_mib(self):
        status = pathlib.Path("/proc/%d/status" % self.proc.pid).read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def cpu_seconds(self):
        fields = pathlib.Path("/proc/%d/stat" % self.proc.pid).read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, connections, seconds, path="/", script=None):
        command = ["wrk", "-t", str(min(connections, 2)), "-c", str(connections), "-d", "%ds" % seconds, "--timeout", "10s"]
        command += ["-s", script] if script else []
        out = subprocess.run(command + ["http://127.0.0.1:%d%s" % (self.port, path)], capture_output=True, text=True, check=True).stdout
        if re.search(r"Non-2xx|Socket errors", out):
            print(out, file=sys.stderr)
        return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))

    def put(self, path, value):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        c.request("PUT", path, value)
        assert c.getresponse().read().strip() == b"true"

    def stop(self):
        if self.proc.poll() is None:
            os.killpg(self.proc.pid, signal.SIGKILL)
            self.proc.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def ready(server, a):
    return server.ready_seconds * 1000


def idle_memory(server, a):
    time.sleep(IDLE_SECONDS)
    return server.memory_mib()


def idle_cpu(server, a):
    before = server.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    return (server.cpu_seconds() - before) / IDLE_SECONDS * 100


def put_1(server, a):
    return server.load(1, a.seconds, script=a.put_lua)


def put_256(server, a):
    return server.load(256, a.seconds, script=a.put_lua)


def get_64(server, a):
    server.put("/v1/kv/bench/get", b"x" * 128)
    return server.load(64, a.seconds, "/v1/kv/bench/get")


def get_raw_64(server, a):
    return server.load(64, a.seconds, "/v1/kv/bench/get?raw")


# Name, unit, whether more is better, measurement. In this order on each fresh server.
FIGURES = [
    ("ready (first answered write)", "ms", False, ready),
    ("idle memory", "MiB", False, idle_memory),
    ("idle cpu", "% of a core", False, idle_cpu),
    ("kv put, 1 connection", "/s", True, put_1),
    ("kv put, 256 connections", "/s", True, put_256),
    ("kv get, 64 connections", "/s", True, get_64),
    ("kv get ?raw, 64 connections", "/s", True, get_raw_64),
]


def compare(doc, figures, start, prepare=lambda a: None):
    """Measures every figure on fresh servers of ours and the peer in turn, and prints medians with ratios."""
    ap = argparse.ArgumentParser(description=doc.splitlines()[0])
    ap.add_argument("--bin", required=True)
    ap.add_argument("--peer")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--seconds", type=int, default=5)
    ap.add_argument("--only", default="")
    a = ap.parse_args()
    prepare(a)
    binaries = [a.bin] + ([a.peer] if a.peer else [])
    seen = {b: {} for b in binaries}
    for _ in range(a.rounds):
        for binary in binaries:
            server = start(binary)
            try:
                for name, _, _, measure in figures:
                    if a.only in name:
                        seen[binary].setdefault(name, []).append(measure(server, a))
            finally:
                server.stop()
    print("%-40s %12s %12s %8s  %s" % ("median of %d" % a.rounds, "ours", "peer", "ratio", "unit"))
    for name, unit, more, _ in figures:
        if name not in seen[a.bin]:
            continue
        ours = statistics.median(seen[a.bin][name])
        if not a.peer:
            print("%-40s %12.2f %12s %8s  %s" % (name, ours, "-", "-", unit))
            continue
        peer = statistics.median(seen[a.peer][name])
        ratio = (ours / peer if more else peer / ours) if ours and peer else float("nan")
        print("%-40s %12.2f %12.2f %8.2f  %s" % (name, ours, peer, ratio, unit))


def main():
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(PUT_LUA)
        lua.flush()
        compare(__doc__, FIGURES, Server, lambda a: setattr(a, "put_lua", lua.name))


if __name__ == "__main__":
    main()
