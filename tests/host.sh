# To be sourced: `start_host DROVER` starts a host on free ports and waits until it answers. Then `data` is its
# data folder and `http` the address of its API. The host ends with the script, and its folder is deleted.
start_host() {
  data=$(mktemp -d)
  "$1" --http 127.0.0.1:0 --lambda 127.0.0.1:0 --dynamodb 127.0.0.1:0 --sqs 127.0.0.1:0 \
    --log error --data "$data" >/dev/null &
  host=$!
  trap 'kill "$host" 2>/dev/null || true; wait "$host" 2>/dev/null || true; rm -rf "$data"' EXIT
  for _ in $(seq 600); do
    [ -s "$data/host.json" ] && break
    kill -0 "$host" || { echo 'the host ended' >&2; exit 1; }
    sleep 0.1
  done
  http=$(sed -n 's/.*"http": *"\([^"]*\)".*/\1/p' "$data/host.json")
}
