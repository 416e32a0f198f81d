#!/usr/bin/env python3
"""Measure KV writes and reads of a cluster of three durable servers, ours and a peer's in turn on this machine, and print ratios.

    bench/cluster.py --bin target/release/consul [--peer /path/to/another/consul] [--runs 3] [--seconds 5] [--only TEXT]

Each run starts three servers (`-bootstrap-expect=3`, `performance.raft_multiplier = 1`) and a client agent afresh, on loopback
addresses of their own, with empty data directories. A write is acknowledged when two of three have it on disk. Shown: what a
write costs through the leader, and what forwarding (by a follower, by a client agent) adds to writes and reads. All three
servers, the client agent and the load (`wrk`) share this machine's cores and disk: read the ratios.
"""
import re, subprocess, sys, tempfile

from pairs import arguments, compare, config
from run import PUT_LUA

VALUE = "x" * 128

# Name, unit, more is better, through which agent, connections, path (None: puts).
LOADS = [
    ("kv put, leader, 1 connection", "leader", 1, None),
    ("kv put, leader, 256 connections", "leader", 256, None),
    ("kv put, follower, 64 connections", "follower", 64, None),
    ("kv put, client agent, 1 connection", "client", 1, None),
    ("kv put, client agent, 64 connections", "client", 64, None),
    ("kv get ?stale, follower, 64 connections", "follower", 64, "/v1/kv/bench/get?stale"),
    ("kv get, follower, 64 connections", "follower", 64, "/v1/kv/bench/get"),
    ("kv get ?stale, client agent, 64 connections", "client", 64, "/v1/kv/bench/get?stale"),
    ("kv get, client agent, 64 connections", "client", 64, "/v1/kv/bench/get"),
    ("kv get, leader, 64 connections", "leader", 64, "/v1/kv/bench/get"),
    ("kv get ?consistent, leader, 64 connections", "leader", 64, "/v1/kv/bench/get?consistent"),
]
FIGURES = [(name, "/s", True) for name, *_ in LOADS]


def load(agent, connections, seconds, path, put_lua):
    """Answers a second. Trouble `wrk` saw goes to stderr: the figure is then not to be trusted."""
    command = ["wrk", "-t", str(min(connections, 2)), "-c", str(connections), "-d", "%ds" % seconds, "--timeout", "10s"]
    command += ["-s", put_lua] if path is None else []
    out = subprocess.run(command + ["http://%s:8500%s" % (agent.addr, path or "/")], capture_output=True, text=True, check=True).stdout
    if re.search(r"Non-2xx|Socket errors", out):
        print(agent.name, path or "put", out, file=sys.stderr)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def measure(a, put_lua):
    def of(lab, binary):
        servers = lab.servers(3, binary=binary, config=config())
        client = lab.client("client", servers, binary=binary, config=config())
        leader = lab.leader(servers)
        agents = {"leader": leader, "follower": next(s for s in servers if s is not leader), "client": client}
        leader.put("/v1/kv/bench/get", VALUE)
        values = {name: load(agents[who], connections, a.seconds, path, put_lua) for name, who, connections, path in LOADS if a.only in name}
        if lab.leader(servers) is not leader:
            print("the leader changed under load: figures of this run are not to be trusted", file=sys.stderr)
        return values
    return of


def main():
    ap = arguments(__doc__)
    ap.add_argument("--seconds", type=int, default=5)
    ap.add_argument("--only", default="", help="only figures whose name contains this")
    a = ap.parse_args()
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(PUT_LUA)
        lua.flush()
        compare(a, FIGURES, measure(a, lua.name))


if __name__ == "__main__":
    main()
