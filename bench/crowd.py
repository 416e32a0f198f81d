#!/usr/bin/env python3
"""Park many watchers on one service, change it, and print how long until all of them have the answer, ours and a peer's in turn.

    bench/crowd.py --bin target/release/consul [--peer /path/to/another/consul] [--watchers 10000] [--instances 20]

Every watcher has a connection of its own. The bytes are what all answers together hold; the CPU is the agent's.
"""
import argparse, asyncio, resource, statistics, time

from discovery import fill, read_answer, register
from run import Server

CHANGES = 5
SETTLE_SECONDS = 2


async def measure(server, a):
    import http.client
    fill(server, "crowd", a.instances)
    streams = []
    for n in range(0, a.watchers, 500):
        count = min(500, a.watchers - n)
        streams += await asyncio.gather(*(asyncio.open_connection("127.0.0.1", server.port) for _ in range(count)))
    ask = "GET /v1/health/service/crowd?index=%d&wait=60s HTTP/1.1\r\nHost: b\r\n\r\n"
    streams[0][1].write((ask % 0).encode())
    index = int((await read_answer(streams[0][0]))["x-consul-index"])
    seconds, cpu = [], []
    for change in range(CHANGES):
        for _, out in streams:
            out.write((ask % index).encode())
        await asyncio.sleep(SETTLE_SECONDS)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        before, begin = server.cpu_seconds(), time.perf_counter()
        register(connection, "crowd-node-0", "crowd", "crowd-0", 9000 + change)
        connection.close()
        answers = await asyncio.gather(*(read_answer(stream) for stream, _ in streams))
        seconds.append(time.perf_counter() - begin)
        cpu.append(server.cpu_seconds() - before)
        index = max(int(headers["x-consul-index"]) for headers in answers)
    for _, out in streams:
        out.close()
    return statistics.median(seconds), statistics.median(cpu)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--bin", required=True)
    ap.add_argument("--peer")
    ap.add_argument("--watchers", type=int, default=10000)
    ap.add_argument("--instances", type=int, default=20)
    a = ap.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, a.watchers * 2 + 1000), hard))
    for binary in [a.bin] + ([a.peer] if a.peer else []):
        server = Server(binary, max_conns=a.watchers + 1000)
        try:
            seconds, cpu = asyncio.run(measure(server, a))
            print("%-40s all %d answered after %.2f s, %.2f s of CPU, %.0f MiB" % (binary, a.watchers, seconds, cpu, server.memory_mib()))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
