#!/usr/bin/env bash
# Runs the official Go client's own tests against a binary: run.sh BINARY. Every test of must-pass.txt must run and pass.
set -euo pipefail
binary=$(realpath "$1")
cd "$(dirname "$0")"
shim=$(mktemp -d)
trap 'rm -rf "$shim"' EXIT
ln -s "$binary" "$shim/consul"

mapfile -t wanted < <(grep -v '^#' must-pass.txt)
pattern="^($(IFS='|'; echo "${wanted[*]}"))\$"
log=$shim/log
PATH=$shim:$PATH go test github.com/hashicorp/consul/api github.com/hashicorp/consul/api/watch \
  -run "$pattern" -count=1 -timeout 20m -v > "$log" 2>&1 || true

missing=0
for test in "${wanted[@]}"; do
  if ! grep -q "^--- PASS: $test " "$log"; then
    missing=$((missing + 1))
    echo "not passed: $test"
    awk -v t="$test" '$0 ~ "--- FAIL: " t " " {on=1} on {print "    " $0} on && /^---/ && $0 !~ t {exit}' "$log" | head -40
  fi
done
if [ "$missing" -eq "${#wanted[@]}" ]; then tail -50 "$log"; fi
echo "$((${#wanted[@]} - missing)) passed, $missing failed"
[ "$missing" -eq 0 ]
