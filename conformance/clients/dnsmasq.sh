#!/usr/bin/env bash
# dnsmasq forwards .consul to the agent, as the usual set-up of a host does it. CONSUL_HTTP_ADDR, CONSUL_DNS_PORT name the agent.
set -euo pipefail
api=http://$CONSUL_HTTP_ADDR/v1
work=$(mktemp -d)
port=$(python3 -c 'import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
trap '[ -z "${pid-}" ] || kill "$pid" 2> /dev/null; rm -rf "$work"' EXIT

expect() { # WHAT WANT GOT
  [ "$2" = "$3" ] || { echo "$1: wanted '$2', got '$3'" >&2; exit 1; }
}
ask() { dig +time=2 +tries=1 @127.0.0.1 -p "$port" +short "$@" | sort; }

curl -sS --fail-with-body -X PUT "$api/agent/service/register" -d '{"Name":"web","ID":"a","Port":80,"Address":"10.0.0.1"}'
curl -sS --fail-with-body -X PUT "$api/agent/service/register" -d '{"Name":"web","ID":"b","Port":81,"Address":"10.0.0.2"}'
dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --port="$port" --listen-address=127.0.0.1 --bind-interfaces \
  --pid-file="$work/pid" --user="$(id -un)" --server="/consul/127.0.0.1#$CONSUL_DNS_PORT" \
  --rev-server="10.0.0.0/8,127.0.0.1#$CONSUL_DNS_PORT" > "$work/log" 2>&1 &
pid=$!
for _ in $(seq 100); do
  [ -n "$(ask web.service.consul)" ] && break
  kill -0 "$pid" || { cat "$work/log" >&2; exit 1; }
  sleep 0.1
done
expect 'A through dnsmasq' $'10.0.0.1\n10.0.0.2' "$(ask web.service.consul)"
expect 'SRV through dnsmasq' 2 "$(ask web.service.consul SRV | wc -l)"
expect 'reverse through dnsmasq' web.service.dc1.consul. "$(ask -x 10.0.0.2)"
curl -sS --fail-with-body -X PUT "$api/agent/service/deregister/a"
expect 'a change is seen at once: the TTL is 0' 10.0.0.2 "$(ask web.service.consul)"
