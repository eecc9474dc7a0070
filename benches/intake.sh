#!/bin/bash
# How fast a large ISO comes in, digest and fsync included: by PUT, and by isoweb, beside what people do by hand with the same bytes from the
# same server (curl -o, sha256sum, sync). Tells the peak memory of each, and how many bytes of the store were written and read on the way.
# Usage: benches/intake.sh [GIBIBYTES] [ROUNDS]. Needs xorriso, curl and strace, and three times the size of disk.
set -euo pipefail
gibibytes=${1:-4}
rounds=${2:-3}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT

cargo build --quiet --locked --profile dist
program=$(realpath "${CARGO_TARGET_DIR:-target}/dist/image-service")

# One file of random bytes in an ISO, which is served by an instance of its own.
mkdir -p "$work/source" "$work/origin/static/iso" "$work/service/static/iso"
head -c "${gibibytes}G" /dev/urandom >"$work/source/payload"
xorriso -as mkisofs -quiet -R -iso-level 3 -o "$work/origin/static/iso/large.iso" "$work/source" 2>"$work/log" ||
    { cat "$work/log"; exit 1; }
rm -r "$work/source"
iso=$work/origin/static/iso/large.iso
bytes=$(stat -c %s "$iso")

# Starts the program in a folder, with what `$2…` put before it, and sets north, south and pid.
start() {
    local folder=$1 label rest
    shift
    cat >"$folder/config.json" <<'JSON'
{"httpEndpoints": [{"address": "127.0.0.1", "port": 0, "routers": "northbound"},
                   {"address": "127.0.0.1", "port": 0, "routers": "southbound"}],
 "minLogLevel": 4, "reserveBytes": 0, "watchInterval": 0, "scrubInterval": 0}
JSON
    exec {lines}< <(exec "$@" "$program" --config "$folder/config.json" 2>>"$work/log")
    pid=$!
    pids+=("$pid")
    while read -r label rest <&"$lines"; do
        case $label in
            northbound) north=${rest%/} ;;
            southbound) south=${rest%/} ;;
            images) break ;;
        esac
    done
}
stop() {
    kill "$pid"
    tail --pid="$pid" -f /dev/null
}
# Seconds that a command takes.
seconds() {
    local begun=$EPOCHREALTIME
    "$@" >"$work/answer"
    awk -v begun="$begun" -v end="$EPOCHREALTIME" 'BEGIN { printf "%.2f\n", end - begun }'
}
put() {
    curl --silent --show-error --fail --header 'Accept: application/json' --upload-file "$iso" "$north/iso?name=large.iso"
}
fetch() {
    curl --silent --show-error --fail --request PUT "$north/images?name=large&version=1&wait=600&isoweb=$origin/iso/large.iso"
    grep -q '"status":"OK"' "$work/answer"
}
by_hand() {
    curl --silent --show-error --fail --output "$work/by-hand.iso" "$origin/iso/large.iso"
    sha256sum "$work/by-hand.iso"
    sync "$work/by-hand.iso"
}
clear_away() {
    for path in 'images?name=large' 'iso?name=large.iso'; do
        curl --silent --request DELETE "$north/$path" >"$work/cleared"
    done
    rm -f "$work/by-hand.iso"
    sync --file-system "$work"
}
peak() {
    awk '/^VmHWM:/ { printf "%.1f\n", $2 / 1024 }' "/proc/$pid/status"
}
median() {
    sort -n "$1" | awk '{ line[NR] = $1 } END { print line[int((NR + 1) / 2)] }'
}

start "$work/origin"
origin=$south
for round in $(seq 1 "$rounds"); do
    for way in put fetch by_hand; do
        start "$work/service"
        taken=$(seconds "$way")
        echo "$taken" >>"$work/times-$way"
        [ "$way" = by_hand ] || peak >>"$work/peak-$way"
        clear_away
        stop
    done
    echo "round $round: PUT $(tail -n 1 "$work/times-put") s, isoweb $(tail -n 1 "$work/times-fetch") s," \
        "curl -o, sha256sum and sync $(tail -n 1 "$work/times-by_hand") s"
done
awk -v bytes="$bytes" -v put="$(median "$work/times-put")" -v fetch="$(median "$work/times-fetch")" \
    -v hand="$(median "$work/times-by_hand")" -v put_peak="$(median "$work/peak-put")" \
    -v fetch_peak="$(median "$work/peak-fetch")" 'BEGIN {
    printf "medians of %.0f bytes: PUT %.2f s (%.0f MB/s, %.2f of by hand), peak %.1f MiB\n",
        bytes, put, bytes / put / 1e6, put / hand, put_peak
    printf "  isoweb %.2f s (%.0f MB/s, %.2f of by hand), peak %.1f MiB; by hand %.2f s (%.0f MB/s)\n",
        fetch, bytes / fetch / 1e6, fetch / hand, fetch_peak, hand, bytes / hand / 1e6
}'

# The same once more under strace: every call that moves bytes of a file below the store. What is read is the tree of the ISO.
calls=write,writev,pwrite64,pwritev,pwritev2,read,readv,pread64,preadv,preadv2,sendfile,copy_file_range,splice,mmap
for way in put fetch; do
    start "$work/service" strace --quiet=all --follow-forks --output-separately --decode-fds=path \
        --trace="$calls" --output="$work/trace"
    "$way" >"$work/answer"
    clear_away
    # The program itself, not strace, is asked to stop.
    kill "$(pgrep --parent "$pid")"
    tail --pid="$pid" -f /dev/null
    awk -v way="$way" -v bytes="$bytes" '
        !/static\/iso\// || !/ = [0-9]+$/ { next }
        /(^| )(p?write(v|64|v2)?|copy_file_range)\(/ { written += $NF; writes += 1; next }
        /(^| )(p?read(v|64|v2)?|sendfile|splice)\(/ { read += $NF; reads += 1; next }
        { maps += 1 }
        END {
            printf "%s: %.0f bytes of the store written by %d calls (%.4f a byte), %.0f bytes read back by %d calls, %d mappings\n",
                way, written, writes, written / bytes, read, reads, maps
        }' "$work"/trace.*
    rm "$work"/trace.*
done
