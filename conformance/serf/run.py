#!/usr/bin/env python3
"""Real `serf` agents in the same LAN pool, with the same key, as the agents of a `consul` binary.

    run.py --bin target/release/consul --serf PATH [--only TEXT] [--slow N] [--limit MINUTES] [-v]

The pool: three servers and a client agent of the binary, and two serf agents: `tagged` carries the tags of a client
agent, so that it is a node of the catalog; `plain` carries none. At first the serf agents hear only our agents:
what they advertise is a filter that drops each other's packets, so that whatever one learns of the other came through
ours. From `unfiltered` on they hear each other.
Flows run in order on that one pool; --only picks some, after `join`. One line a flow; after a failure the ends of the
logs. Last line 'N passed, M failed'.
"""
import argparse, base64, contextlib, json, os, pathlib, re, signal, socket, subprocess, sys, threading, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import cluster  # noqa: E402
from cluster import GOSSIP, OPT, Failed, Lab, change, everywhere, has_event, keygen, keyring, need, wait  # noqa: E402

LAN_PORT = 8301
RPC_PORT = 7373
DETECTION_SECONDS = 30
COMMAND_SECONDS = 60


class Filter:
    """An address whose packets reach `agent_address` only when `allowed` sent them, or all when that is None. Streams to it are refused."""

    def __init__(self, address, agent_address, allowed):
        self.dropped, self.closed = 0, False
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind((address, LAN_PORT))
        self.to, self.allowed = (agent_address, LAN_PORT), allowed
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while not self.closed:
            packet, sender = self.socket.recvfrom(65535)
            if self.allowed is not None and sender[0] not in self.allowed:
                self.dropped += 1
                continue
            self.socket.sendto(packet, self.to)

    def close(self):
        self.closed = True
        with contextlib.closing(socket.socket(type=socket.SOCK_DGRAM)) as last:
            last.sendto(b"", self.socket.getsockname())


class Serf:
    """One serf agent, and the ways to talk to it. Its handler keeps what it is given: events()."""

    def __init__(self, lab, name, key, tags=(), allowed=None):
        self.lab, self.name, self.addr = lab, name, lab.address()
        self.dir = os.path.join(lab.work, "serf-%s-%s" % (name, self.addr))
        os.makedirs(self.dir)
        self.logfile, self.seen = os.path.join(self.dir, "serf.log"), os.path.join(self.dir, "seen")
        open(self.seen, "w").close()
        handler = lab.script('payload=$(base64 -w0); echo "$SERF_EVENT ${SERF_USER_EVENT:-$SERF_QUERY_NAME} :$payload" >> %s\n'
                             '[ "$SERF_EVENT" != query ] || echo "%s says hello"\n' % (self.seen, name))
        ring = os.path.join(self.dir, "keyring.json")      # so that a restarted agent has the key of the pool
        with open(ring, "w") as f:
            json.dump([key], f)
        self.args = ["-bind=%s:%d" % (self.addr, LAN_PORT), "-rpc-addr=%s:%d" % (self.addr, RPC_PORT), "-node=" + name, "-keyring-file=" + ring,
                     "-log-level=debug", "-event-handler=" + handler] + ["-tag=%s=%s" % t for t in tags]
        self.filter = None
        if allowed:
            advertised = lab.address()
            # the reservation of the address tried its ports, so the filter can have them
            self.filter = Filter(advertised, self.addr, allowed)
            lab.on_exit.callback(self.filter.close)
            self.args.append("-advertise=%s:%d" % (advertised, LAN_PORT))

    def start(self):
        with open(self.logfile, "ab") as log:
            self.proc = self.lab.spawn([OPT.serf, "agent"] + self.args, dict(os.environ), self.dir, log)
        wait(lambda: self.run("info")[0] == 0, "serf agent %s answers" % self.name)
        return self

    def run(self, command, *args):
        if self.proc.poll() is not None:
            raise cluster.Dead("serf agent %s exited with %s" % (self.name, self.proc.returncode))
        argv = [OPT.serf, command, "-rpc-addr=%s:%d" % (self.addr, RPC_PORT)] + list(args)
        p = subprocess.run(argv, capture_output=True, timeout=COMMAND_SECONDS * OPT.slow)
        return p.returncode, p.stdout.decode("utf8", "replace"), p.stderr.decode("utf8", "replace")

    def cli(self, *args):
        code, out, err = self.run(*args)
        need(code == 0, "serf %r on %s: exit %d: %s" % (args, self.name, code, (out + err).strip()))
        return out

    def kill(self, sig=signal.SIGKILL):
        self.proc.send_signal(sig)
        code = self.proc.wait(20 * OPT.slow)
        cluster.ALIVE.discard(self.proc)
        return code

    def members(self):
        """{name: (status, tags)}"""
        return {m["name"]: (m["status"], m["tags"]) for m in json.loads(self.cli("members", "-format=json"))["members"]}

    def events(self, kind, name):
        """Payloads of the events of a kind (user, query) and name that the handler was given."""
        rows = [line.split(" ", 2) for line in open(self.seen).read().splitlines()]
        # the agent ends a payload with a newline for its handlers
        return [base64.b64decode(r[2][1:]).removesuffix(b"\n") for r in rows if r[:2] == [kind, name]]

    def query(self, name, *args):
        """(acknowledged by, {answered by: payload})"""
        v = json.loads(self.cli("query", "-format=json", *args, name))
        return sorted(v["Acks"] or []), v["Responses"] or {}

    def keys(self):
        """{key: 'n/m'} as `serf keys -list` tells."""
        return dict(re.findall(r"(?m)^(\S+=)\s+\[(\d+/\d+)\]$", self.cli("keys", "-list")))


# tags of a client agent (docs/spec/gossip.md §18.2)
NODE_TAGS = {"role": "node", "dc": "dc1", "segment": "", "id": "5e4f0000-1111-4222-8333-444444444444",
             "vsn": "2", "vsn_min": "2", "vsn_max": "3", "build": "1.14.2:0ba7a401"}


class Pool:
    """Our agents (s: servers, c: the client) and the serf agents."""

    def __init__(self, lab):
        self.lab, self.key = lab, keygen()
        conf = {"disable_remote_exec": False}
        self.s = lab.servers(3, args=["-encrypt=" + self.key], config=conf)
        self.c = lab.client("client-1", self.s, "-encrypt=" + self.key, config=conf)
        self.ours = self.s + [self.c]
        allowed = {a.addr for a in self.ours}
        self.tagged = Serf(lab, "tagged", self.key, NODE_TAGS.items(), allowed).start()
        self.plain = Serf(lab, "plain", self.key, (), allowed).start()
        self.serfs = [self.tagged, self.plain]

    def size(self):
        return len(self.ours) + len(self.serfs)

    def statuses(self, name, seconds=GOSSIP, want="alive"):
        everywhere(self.ours, lambda a: a.members()[name][0] == want, "%s %s" % (name, want), seconds)


def join(p):
    """Both sides list all members; the tagged one is a node of the catalog with a passing serfHealth, the plain one is not."""
    for serf in p.serfs:
        out = serf.cli("join", "%s:%d" % (p.s[0].addr, LAN_PORT))
        need("Successfully joined cluster by contacting 1 nodes." in out, out)
    names = {a.name for a in p.ours} | {"tagged", "plain"}
    for x in p.ours:
        wait(lambda: {n for n, (st, _) in x.members().items() if st == "alive"} == names, "members on " + x.name, GOSSIP)
    for x in p.serfs:
        wait(lambda: {n for n, (st, _) in x.members().items() if st == "alive"} == names, "members on " + x.name, GOSSIP)
    rows = {r[0]: r[1:] for r in p.c.table("members")}
    need(rows["tagged"] == ["%s:8301" % advertised(p.tagged), "alive", "client", "1.14.2", "2", "dc1", "default", "<default>"], rows["tagged"])
    need(rows["plain"] == ["%s:8301" % advertised(p.plain), "alive", "unknown"], rows["plain"])
    tags = p.plain.members()["server-1"][1]
    need(tags["role"] == "consul" and tags["dc"] == "dc1" and tags["port"] == "8300" and tags["vsn"] == "2", tags)
    p.lab.in_catalog(argparse.Namespace(name="tagged", get=p.c.get), p.s[0])
    need({n["Node"] for n in p.s[0].get("/v1/catalog/nodes")} == names - {"plain"}, "a member without role is no node")


def advertised(serf):
    return serf.filter.socket.getsockname()[0]


def our_event(p):
    """`consul event` runs the handlers of both serf agents under its name on the wire, with its payload and ID inside."""
    for n, a in enumerate((p.s[1], p.c)):
        name = "deploy-%d" % n
        event = re.fullmatch(r"Event ID: (\S+)\n", a.cli("event", "-name=" + name, "v42"))[1]
        for serf in p.serfs:
            wait(lambda: serf.events("user", "consul:event:" + name), "event of %s on %s" % (a.name, serf.name), GOSSIP)
            payload = serf.events("user", "consul:event:" + name)[0]
            need(event.encode() in payload and b"v42" in payload, payload)


def monitored(p):
    """`serf monitor` shows our event as it comes."""
    out = os.path.join(p.plain.dir, "monitor.out")
    with open(out, "wb") as f:
        monitor = p.lab.spawn([OPT.serf, "monitor", "-log-level=debug", "-rpc-addr=%s:%d" % (p.plain.addr, RPC_PORT)], dict(os.environ), p.plain.dir, f)
    wait(lambda: os.path.getsize(out), "serf monitor is attached")
    p.s[0].cli("event", "-name=watched", "x")
    wait(lambda: "Received event: user-event: consul:event:watched" in open(out).read(), "the event in serf monitor", GOSSIP)
    need(monitor.poll() is None, "serf monitor has ended")
    # left running: an agent of this version of serf may crash when its monitor goes away while an event comes in


def wrapped(name, event, payload):
    """A user event as agents wrap it (docs/spec/gossip.md §18.5), with str8 and bin types."""
    text = lambda t: bytes([0xa0 | len(t)]) + t.encode() if len(t) < 32 else b"\xd9" + bytes([len(t)]) + t.encode()
    fields = [(text("ID"), text(event)), (text("n"), text(name)), (text("nf"), text("")), (text("p"), b"\xc4" + bytes([len(payload)]) + payload),
              (text("sf"), text("")), (text("tf"), text("")), (text("v"), b"\x01")]
    return bytes([0x80 | len(fields)]) + b"".join(k + v for k, v in fields)


def serf_event(p):
    """`serf event`: a name of its own reaches the other serf agent through ours only, which ignore it themselves."""
    p.tagged.cli("event", "-coalesce=false", "restart", "now")
    wait(lambda: p.plain.events("user", "restart") == [b"now"], "event on the other serf agent", GOSSIP)
    wait(lambda: p.plain.filter.dropped, "the filter keeps the serf agents from hearing each other")
    for a in p.ours:
        need(not [e for e in a.get("/v1/event/list") if e["Name"] == "restart"], a.name, "lists an event that is not for agents")


def serf_event_for_agents(p):
    """`serf event consul:event:NAME` with the wrapper of agents is an event of ours on every agent."""
    event = "0e0e0e0e-1111-4222-8333-555555555555"
    p.plain.cli("event", "-coalesce=false", "consul:event:from-serf", wrapped("from-serf", event, b"hi"))
    everywhere(p.ours, lambda a: [(e["ID"], base64.b64decode(e["Payload"])) for e in has_event(a, "from-serf")] == [(event, b"hi")], "event of serf", GOSSIP)
    for name, payload in (("consul:event:torn", b"\x81\xa2ID"), ("consul:other", b"x"), ("consul:new-leader", b"nobody")):
        p.plain.cli("event", "-coalesce=false", name, payload)
        wait(lambda: p.tagged.events("user", name) == [payload], name + " is passed on", GOSSIP)
    need(all(a.alive() and not has_event(a, "torn") for a in p.ours), "an agent took a torn event")


def query(p):
    """`serf query`: all members acknowledge, ours too, and only serf agents answer; names and tags narrow it; -no-ack."""
    everyone = sorted([a.name for a in p.ours] + ["plain", "tagged"])

    def asked(*args, acks, answers):
        got = p.tagged.query("uptime", *args)
        return need(got == (acks, {n: n + " says hello\n" for n in answers}), args, "gave", got) or True
    # with relays: without them the answer of `plain` meets the filter
    wait(lambda: asked("-relay-factor=5", acks=everyone, answers=["plain", "tagged"]), "a query to all")
    wait(lambda: asked("-relay-factor=5", "-node=plain", "-node=server-2", acks=["plain", "server-2"], answers=["plain"]), "a query to two names")
    wait(lambda: asked("-relay-factor=5", "-tag=role=^consul$", acks=sorted(s.name for s in p.s), answers=[]), "a query to servers")
    wait(lambda: asked("-relay-factor=5", "-no-ack", acks=[], answers=["plain", "tagged"]), "a query without acknowledgement")


def relay(p):
    """The answer of the other serf agent arrives only when asked for with a relay factor: members of ours relay it."""
    got = p.tagged.query("uptime", "-node=plain", "-timeout=3s")
    need(got == ([], {}), "answered past the filter", got)
    need(len(p.plain.events("query", "uptime")) > 0, "the query did not reach the other serf agent")
    wait(lambda: p.tagged.query("uptime", "-node=plain", "-relay-factor=2", "-timeout=5s") == (["plain"], {"plain": "plain says hello\n"}), "the answer by relays")


def tags(p):
    """`serf tags` changes reach our members list."""
    p.tagged.cli("tags", "-set", "rack=r7", "-delete", "vsn_max")
    everywhere(p.ours, lambda a: re.search(r"(?m)^tagged .*rack=r7", a.cli("members", "-detailed")) and "vsn_max" not in
               re.search(r"(?m)^tagged .*$", a.cli("members", "-detailed"))[0], "new tags", GOSSIP)
    p.tagged.cli("tags", "-set", "vsn_max=3", "-delete", "rack")


def reachability(p):
    """`serf reachability` hears from every member."""
    def all_heard():
        code, out, err = p.plain.run("reachability")
        return need(code == 0 and "live members: %d\n" % p.size() in out and "Successfully contacted all live nodes" in out, code, out, err) or True
    wait(all_heard, "serf reachability")


def rtt(p):
    """`serf rtt` estimates from the coordinates of our agents; ours go on knowing those of ours."""
    for a in p.ours:
        out = wait(lambda: p.plain.cli("rtt", a.name), "coordinate of %s at serf" % a.name, 90, every=0.5)
        need(re.fullmatch(r"Estimated %s <-> plain rtt: \d+\.\d{3} ms\s*" % a.name, out), out)
    need(p.plain.cli("rtt", "server-1", "client-1").startswith("Estimated "), "rtt of two others")
    wait(lambda: p.s[0].cli("rtt", "server-1", "client-1"), "rtt of two of ours", 90, every=0.5)
    code, _, err = p.s[0].run("rtt", "server-1", "tagged")
    need(code == 1 and 'Could not find a coordinate for node "tagged"' in err, code, err)


def unfiltered(p):
    """The serf agents hear each other from here on: the answer of one reaches the other without relays."""
    for serf in p.serfs:
        serf.filter.allowed = None
    wait(lambda: p.tagged.query("uptime", "-node=plain") == (["plain"], {"plain": "plain says hello\n"}), "an answer without relays")


def keys_counted(p):
    """`serf keys -list` counts our agents, `consul keyring -list` counts the serf agents."""
    n = p.size()
    for serf in p.serfs:
        wait(lambda: serf.keys() == {p.key: "%d/%d" % (n, n)}, "serf counts our agents", GOSSIP)
    wait(lambda: keyring(p.s[1]) == {"dc1 (LAN)": {p.key: "%d/%d" % (n, n)}, "WAN": {p.key: "3/3"}}, "we count the serf agents", GOSSIP)


def rotation_by_us(p):
    """`consul keyring` installs, uses and removes a key on the serf agents too, which stay in the pool."""
    new, n = keygen(), p.size()
    change(p.s[0], "-install=" + new)
    change(p.c, "-use=" + new)
    change(p.s[1], "-remove=" + p.key)
    want = "%d/%d" % (n, n)
    wait(lambda: keyring(p.s[2])["dc1 (LAN)"] == {new: want}, "only the new key", GOSSIP)
    p.key = new
    still_talking(p)


def rotation_by_serf(p):
    """`serf keys` installs, uses and removes a key on our agents' LAN pools; the WAN pool keeps its own."""
    old, new, n = p.key, keygen(), p.size()
    for serf, step in ((p.tagged, "-install=" + new), (p.plain, "-use=" + new), (p.tagged, "-remove=" + old)):
        wait(lambda: [serf.cli("keys", step)], "serf keys " + step[:8], GOSSIP)     # as change(): may be said again
    wait(lambda: keyring(p.s[0]) == {"dc1 (LAN)": {new: "%d/%d" % (n, n)}, "WAN": {old: "3/3"}}, "only serf's key in the LAN pool", GOSSIP)
    p.key = new
    still_talking(p)


def still_talking(p):
    name = "ring-" + p.key[:4].encode().hex()
    p.c.cli("event", "-name=" + name, "x")
    for serf in p.serfs:
        wait(lambda: serf.events("user", "consul:event:" + name), "an event with the new key on " + serf.name, GOSSIP)


def refused(p):
    """Another key, or a client agent's role with another datacenter, does not get in."""
    for name, key, tags in (("wrongkey", keygen(), {}), ("wrongdc", p.key, {**NODE_TAGS, "dc": "dc2", "id": "5e4f0000-1111-4222-8333-000000000002"})):
        x = Serf(p.lab, name, key, tags.items()).start()
        x.run("join", "%s:%d" % (p.s[0].addr, LAN_PORT))
        p.s[0].cli("event", "-name=after-" + name, "x")
        everywhere(p.ours, lambda a: has_event(a, "after-" + name), "a later event", GOSSIP)
        need(not [a.name for a in p.ours if name in a.members()], name, "was taken in")
        x.kill()


def replay(p):
    """A serf agent that joins one of ours later replays the events it missed, of serf agents and of ours, from our memory."""
    late = Serf(p.lab, "late", p.key, (), {a.addr for a in p.ours}).start()
    late.cli("join", "-replay", "%s:%d" % (p.c.addr, LAN_PORT))
    wait(lambda: late.events("user", "restart") == [b"now"] and len(late.events("user", "consul:event:watched")) == 1, "events from before", GOSSIP)
    p.statuses("late")
    need("Graceful leave complete" in late.cli("leave"), "leave")
    p.statuses("late", want="left")


def steady(p):
    """Nobody was taken for failed: our agents answer probes, directly and for members that cannot reach each other."""
    for x in p.ours:
        need({n for n, (st, _) in x.members().items() if st == "failed"} == set(), x.name, "lists failed", x.members())
        need(not re.search(r"EventMemberFailed: (tagged|plain)", "\n".join(x.tail(None))), "a serf agent was failed for a time on", x.name)
    for x in p.serfs:
        need(not re.search(r"EventMemberFailed", open(x.logfile, errors="replace").read()), "a member was failed for a time on", x.name)


def killed(p):
    """kill -9 of a serf agent: failed in `members` within 30 s, serfHealth critical; started again it is back."""
    t = time.time()
    p.tagged.kill()
    everywhere(p.ours, lambda a: a.members()["tagged"][0] == "failed", "failed", DETECTION_SECONDS)
    p.s[0].until("/v1/health/node/tagged", lambda v: v[0]["Status"] == "critical" and v[0]["Output"] == "Agent not live or unreachable", "serfHealth critical")
    p.lab.note("failed after", time.time() - t)
    p.tagged.start().cli("join", "%s:%d" % (p.s[1].addr, LAN_PORT))
    p.statuses("tagged")
    p.s[0].until("/v1/health/node/tagged", lambda v: v[0]["Status"] == "passing", "serfHealth passing", 60)


def our_death(p):
    """kill -9 of our client: serf lists it failed; `serf force-leave` makes it left on our servers; it comes back."""
    t = time.time()
    p.c.kill()
    for serf in p.serfs:
        wait(lambda: serf.members()["client-1"][0] == "failed", "failed on " + serf.name, DETECTION_SECONDS)
    p.lab.note("failed after", time.time() - t)
    p.plain.cli("force-leave", "client-1")
    everywhere(p.s, lambda a: a.members()["client-1"][0] == "left", "left", GOSSIP)
    p.s[0].until("/v1/catalog/nodes", lambda v: "client-1" not in {n["Node"] for n in v}, "deregistered", 75)
    p.c.start()
    p.lab.in_catalog(p.c, p.s[0])
    for serf in p.serfs:
        wait(lambda: serf.members()["client-1"][0] == "alive", "alive on " + serf.name, GOSSIP)


def leave(p):
    """`serf leave` shows left on our agents and empties the catalog; `consul leave` shows left at serf; force-leave of a plain member."""
    need("Graceful leave complete" in p.tagged.cli("leave"), "leave")
    p.statuses("tagged", want="left")
    p.s[0].until("/v1/catalog/nodes", lambda v: "tagged" not in {n["Node"] for n in v}, "deregistered", 75)
    need(p.c.cli("leave") == "Graceful leave complete\n", "consul leave")
    wait(lambda: p.plain.members()["client-1"][0] == "left", "left on serf", GOSSIP)
    p.plain.kill()
    everywhere(p.s, lambda a: a.members()["plain"][0] == "failed", "failed", DETECTION_SECONDS)
    p.s[2].cli("force-leave", "plain")
    everywhere(p.s, lambda a: a.members()["plain"][0] == "left", "left", GOSSIP)


FLOWS = (join, our_event, monitored, serf_event, serf_event_for_agents, query, relay, tags, replay, rtt, refused, steady,
         unfiltered, reachability, keys_counted, rotation_by_us, rotation_by_serf, killed, our_death, leave)


def run(flow, pool):
    """(whether it went well, why not)"""
    pool.lab.notes = []
    try:
        flow(pool)
        return True, "; ".join(pool.lab.notes)
    except Exception as e:  # whatever breaks a flow is told in its line
        return False, str(e) if isinstance(e, Failed) else "%s: %s" % (type(e).__name__, e)


def show_logs(pool):
    for x in pool.ours + pool.serfs:
        with open(x.logfile, errors="replace") as f:
            lines = f.read().splitlines()
        print("    --- %s (%s)" % (x.name, x.addr))
        print("\n".join("    " + line[:240] for line in (lines if OPT.v else lines[-15:])), flush=True)


def end_at_limit(minutes):
    """Ends the run, and with it every process, at the deadline and on signals."""
    def stop(sig, _):
        raise KeyboardInterrupt("time limit" if sig == signal.SIGALRM else signal.Signals(sig).name)
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(sig, stop)
    signal.alarm(int(minutes * 60))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--bin", required=True)
    ap.add_argument("--serf", required=True)
    ap.add_argument("--only", default="")
    ap.add_argument("--slow", type=float, default=1.0, help="factor on every deadline")
    ap.add_argument("--limit", type=float, default=10, help="minutes for the whole run")
    ap.add_argument("-v", action="store_true", help="whole logs after a failure")
    ap.parse_args(namespace=OPT)
    OPT.bin = OPT.client_bin = os.path.abspath(OPT.bin)
    OPT.serf, OPT.raft, OPT.keep = os.path.abspath(OPT.serf), 1, False
    end_at_limit(OPT.limit)
    passed = failed = 0
    try:
        with Lab() as lab:
            pool = Pool(lab)
            for flow in FLOWS:
                if flow is not join and OPT.only not in flow.__name__:
                    continue
                ok, why = run(flow, pool)
                print("%-22s %s  %s" % (flow.__name__.replace("_", "-"), "ok" if ok else "FAILED", why), flush=True)
                passed, failed = passed + ok, failed + (not ok)
                if not ok:
                    show_logs(pool)
                    if flow is join:
                        break
    except (Failed, KeyboardInterrupt) as e:
        failed += 1
        print("FAILED: %s" % (e or "interrupted"))
    finally:
        cluster.cleanup()
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
