#!/usr/bin/env python3
"""Measure what agents cost that have nothing to do, ours and a peer's in turn on this machine, and print ratios.

    bench/idle.py --bin target/release/consul [--peer /path/to/another/consul] [--runs 1] [--seconds 60] [--settle 30]

Three durable servers and a client agent that has joined them, nobody asks them anything. Shown for the client agent, the leader
and a follower: resident memory, the same with shared pages counted in parts (four processes share the pages of one binary here),
the part that is no file's pages, and the share of one core over the time measured (user + system; 10 ms is the finest step).
"""
import time

from pairs import arguments, compare, config, cpu_seconds, memory_mib, pss_mib

ROLES = ["client agent", "leader", "follower"]
MEASURES = [("resident", "MiB", memory_mib), ("Pss", "MiB", pss_mib), ("anonymous", "MiB", lambda agent: memory_mib(agent, "RssAnon"))]
FIGURES = [("%s, %s" % (role, what), unit, False) for role in ROLES for what, unit in [m[:2] for m in MEASURES] + [("cpu", "% of a core")]]


def measure(a):
    def of(lab, binary):
        servers = lab.servers(3, binary=binary, config=config())
        client = lab.client("client", servers, binary=binary, config=config())
        leader = lab.leader(servers)
        agents = dict(zip(ROLES, [client, leader, next(s for s in servers if s is not leader)]))
        time.sleep(a.settle)
        before, begin = {role: cpu_seconds(agent) for role, agent in agents.items()}, time.monotonic()
        time.sleep(a.seconds)
        seconds = time.monotonic() - begin
        values = {"%s, cpu" % role: (cpu_seconds(agent) - before[role]) / seconds * 100 for role, agent in agents.items()}
        for role, agent in agents.items():
            values.update({"%s, %s" % (role, what): look(agent) for what, _, look in MEASURES})
        return values
    return of


def main():
    ap = arguments(__doc__, runs=1)
    ap.add_argument("--seconds", type=int, default=60)
    ap.add_argument("--settle", type=int, default=30, help="seconds from the last agent's join to the measurement")
    a = ap.parse_args()
    compare(a, FIGURES, measure(a))


if __name__ == "__main__":
    main()
