#!/usr/bin/env bash
# Names as resolvers ask for them, with dig. CONSUL_HTTP_ADDR names the agent, CONSUL_DNS_PORT its DNS port.
set -euo pipefail
api=http://$CONSUL_HTTP_ADDR/v1

expect() { # WHAT WANT GOT
  [ "$2" = "$3" ] || { echo "$1: wanted '$2', got '$3'" >&2; exit 1; }
}
put() { curl -sS --fail-with-body -X PUT --data-binary "${2-}" "$api/$1"; }
ask() { dig +time=2 +tries=1 @127.0.0.1 -p "$CONSUL_DNS_PORT" "$@"; }
short() { ask +short "$@" | sort; }
rcode() { ask "$@" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p'; }

put agent/service/register '{"Name":"web","ID":"web1","Port":8080,"Address":"10.0.0.1","Tags":["v1","blue"]}'
put agent/service/register '{"Name":"web","ID":"web2","Port":8081,"Address":"10.0.0.2","Tags":["v2"]}'
put agent/service/register '{"Name":"db","Port":5432,"Check":{"TTL":"1h","Status":"critical"}}'
curl -sS --fail-with-body -X POST -d '{"Name":"blue-web","Service":{"Service":"web","Tags":["blue"]},"DNS":{"TTL":"9s"}}' "$api/query" > /dev/null

expect 'A' $'10.0.0.1\n10.0.0.2' "$(short web.service.consul)"
expect 'A over TCP' $'10.0.0.1\n10.0.0.2' "$(short +tcp web.service.consul)"
expect 'A by tag' 10.0.0.1 "$(short v1.web.service.consul)"
expect 'SRV' $'1 1 8080 0a000001.addr.dc1.consul.\n1 1 8081 0a000002.addr.dc1.consul.' "$(short web.service.consul SRV)"
expect 'SRV by RFC 2782' '1 1 8081 0a000002.addr.dc1.consul.' "$(short _web._v2.service.consul SRV)"
expect 'address of a target' 10.0.0.1 "$(short 0a000001.addr.dc1.consul)"
expect 'case' 2 "$(short WEB.Service.Consul | wc -l)"
expect 'prepared query' 10.0.0.1 "$(short blue-web.query.consul)"
expect 'its TTL' 9 "$(ask +noall +answer blue-web.query.consul | awk '{print $2}')"
expect 'unhealthy' NXDOMAIN "$(rcode db.service.consul)"
put agent/check/pass/service:db
expect 'healthy' NOERROR "$(rcode db.service.consul)"
put 'agent/service/maintenance/web1?enable=true&reason=test'
expect 'maintenance' 10.0.0.2 "$(short web.service.consul)"
put 'agent/service/maintenance/web1?enable=false'

node=$(curl -sS "$api/agent/self" | tr -d ' \n' | sed 's/.*"NodeName":"\([^"]*\)".*/\1/')
expect 'node' 127.0.0.1 "$(short "$node.node.consul")"
expect 'node metadata' '"consul-network-segment="' "$(short "$node.node.consul" TXT)"
expect 'reverse' "$node.node.dc1.consul." "$(short -x 127.0.0.1)"
expect 'reverse of a service' 'web.service.dc1.consul.' "$(short -x 10.0.0.2)"
expect 'servers' "$node.node.dc1.consul." "$(short consul NS)"
expect 'authority' 'ns.consul. hostmaster.consul.' "$(short consul SOA | cut -d' ' -f1,2)"
expect 'unknown' NXDOMAIN "$(rcode nope.service.consul)"
expect 'outside' REFUSED "$(rcode example.com)"
expect 'other family' NOERROR "$(rcode web.service.consul AAAA)"
expect 'EDNS' 'udp: 4096' "$(ask +bufsize=4096 web.service.consul | grep -o 'udp: 4096')"

for n in $(seq 10 69); do
  put agent/service/register "{\"Name\":\"many\",\"ID\":\"many$n\",\"Port\":$n,\"Address\":\"10.0.1.$n\"}"
done
expect 'plain UDP keeps three' 3 "$(short +noedns +ignore many.service.consul | wc -l)"
expect 'TCP has them all' 60 "$(short +tcp many.service.consul | wc -l)"
expect 'EDNS has them all' 60 "$(short +bufsize=8192 many.service.consul | wc -l)"
