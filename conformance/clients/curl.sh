#!/usr/bin/env bash
# Keys, sessions, locks and watches with nothing but curl, as scripts do it. CONSUL_HTTP_ADDR names the agent.
set -euo pipefail
api=http://$CONSUL_HTTP_ADDR/v1

expect() { # WHAT WANT GOT
  [ "$2" = "$3" ] || { echo "$1: wanted '$2', got '$3'" >&2; exit 1; }
}
get() { curl -sS --fail-with-body "$api/$1"; }
put() { curl -sS --fail-with-body -X PUT --data-binary "${2-}" "$api/$1"; }
delete() { curl -sS --fail-with-body -X DELETE "$api/$1"; }
status() { curl -sS -o /dev/null -w '%{http_code}' "${@:2}" "$api/$1"; }
index_of() { curl -sS -o /dev/null -D - "$api/$1" | tr -d '\r' | awk 'tolower($1)=="x-consul-index:"{print $2}'; }

expect 'put' true "$(put kv/app/config 'a=1')"
expect 'raw get' 'a=1' "$(get 'kv/app/config?raw')"
expect 'missing key' 404 "$(status kv/app/none)"
expect 'keys' '["app/config"]' "$(get 'kv/app?keys' | tr -d ' \n')"
expect 'cas that must not hold' false "$(put 'kv/app/config?cas=1' 'b=2')"
expect 'cas on a new key' true "$(put 'kv/app/new?cas=0' x)"
head -c 1048576 /dev/zero > "${TMPDIR:-/tmp}/curl-flow-large.$$"
expect 'a large value' 413 "$(status kv/app/large -X PUT --data-binary "@${TMPDIR:-/tmp}/curl-flow-large.$$")"
rm -f "${TMPDIR:-/tmp}/curl-flow-large.$$"

session=$(put session/create '{"Name":"curl","TTL":"15s"}' | tr -d '\n' | sed 's/.*"ID": *"\([^"]*\)".*/\1/')
expect 'lock' true "$(put "kv/lock?acquire=$session" me)"
other=$(put session/create '{"Name":"other"}' | tr -d '\n' | sed 's/.*"ID": *"\([^"]*\)".*/\1/')
expect 'lock held' false "$(put "kv/lock?acquire=$other" you)"
expect 'renew' 200 "$(status "session/renew/$session" -X PUT)"
expect 'unlock' true "$(put "kv/lock?release=$session" me)"
expect 'lock again' true "$(put "kv/lock?acquire=$other" you)"
expect 'destroy' true "$(put "session/destroy/$session")"

index=$(index_of kv/app/config)
get "kv/app/config?index=$index&wait=30s&raw" > "${TMPDIR:-/tmp}/curl-flow-watch.$$" &
watcher=$!
expect 'change' true "$(put kv/app/config 'a=2')"
wait "$watcher"
expect 'watch' 'a=2' "$(cat "${TMPDIR:-/tmp}/curl-flow-watch.$$")"
rm -f "${TMPDIR:-/tmp}/curl-flow-watch.$$"

expect 'transaction' 200 "$(status txn -X PUT -d '[{"KV":{"Verb":"set","Key":"t","Value":"eA=="}},{"KV":{"Verb":"get","Key":"t"}}]')"
expect 'rolled back transaction' 409 "$(status txn -X PUT -d '[{"KV":{"Verb":"get","Key":"none"}}]')"
expect 'recursive delete' true "$(delete 'kv/app?recurse')"
expect 'gone' 404 "$(status 'kv/app?recurse')"
echo 'curl: every step as wanted'
