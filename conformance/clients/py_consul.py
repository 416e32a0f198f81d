"""Keys, sessions, locks and watches with py-consul, unmodified. CONSUL_HTTP_ADDR names the agent."""
import os
import threading

import consul

host, port = os.environ["CONSUL_HTTP_ADDR"].split(":")
c = consul.Consul(host=host, port=int(port))


def expect(what, want, got):
    assert want == got, "%s: wanted %r, got %r" % (what, want, got)


# Keys
expect("put", True, c.kv.put("app/a", "1"))
expect("put with flags", True, c.kv.put("app/b", "2", flags=42))
index, entry = c.kv.get("app/a")
expect("value", b"1", entry["Value"])
expect("flags", 42, c.kv.get("app/b")[1]["Flags"])
expect("missing", None, c.kv.get("app/none")[1])
expect("recurse", ["app/a", "app/b"], [e["Key"] for e in c.kv.get("app/", recurse=True)[1]])
expect("keys", ["app/a", "app/b"], c.kv.get("app/", keys=True)[1])
expect("cas fails", False, c.kv.put("app/a", "x", cas=1))
expect("cas", True, c.kv.put("app/a", "x", cas=entry["ModifyIndex"]))
expect("binary", bytes(range(256)), (c.kv.put("bin", bytes(range(256))), c.kv.get("bin")[1]["Value"])[1])

# Sessions and locks
mine = c.session.create(name="py", ttl=15, lock_delay=0)
yours = c.session.create(name="py2", behavior="delete")
expect("lock", True, c.kv.put("lock", "me", acquire=mine))
expect("lock held", False, c.kv.put("lock", "you", acquire=yours))
expect("holder", mine, c.kv.get("lock")[1]["Session"])
expect("renew", mine, c.session.renew(mine)["ID"])
expect("info", "py", c.session.info(mine)[1]["Name"])
expect("list", 2, len([s for s in c.session.list()[1] if s["Name"] in ("py", "py2")]))
c.session.destroy(mine)
expect("released", None, c.kv.get("lock")[1].get("Session"))
expect("lock passes on", True, c.kv.put("lock", "you", acquire=yours))
c.session.destroy(yours)
expect("deleted with its session", None, c.kv.get("lock")[1])

# Watch
index, _ = c.kv.get("watched")
seen = []
watcher = threading.Thread(target=lambda: seen.append(c.kv.get("watched", index=index, wait="30s")))
watcher.start()
c.kv.put("watched", "now")
watcher.join(30)
expect("watch", b"now", seen[0][1]["Value"])
assert int(seen[0][0]) > int(index)

# Transaction, event, status
result = c.txn.put([{"KV": {"Verb": "set", "Key": "t", "Value": "eA=="}}, {"KV": {"Verb": "get", "Key": "t"}}])
expect("transaction", "eA==", result["Results"][1]["KV"]["Value"])
assert c.event.fire("deploy", "now")
assert c.status.leader().endswith(":" + c.status.peers()[0].split(":")[1])
expect("nodes", 1, len(c.catalog.nodes()[1]))
expect("recursive delete", True, c.kv.delete("app/", recurse=True))
expect("gone", None, c.kv.get("app/", recurse=True)[1])
print("py-consul: every step as wanted")
