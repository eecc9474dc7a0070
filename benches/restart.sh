#!/bin/bash
# How long a restart takes with many images: until the program says that it serves, until the first byte out of the first and of the
# last image, and how much memory it has before any tree is open and when all have been asked for.
# Usage: benches/restart.sh [IMAGES] [ROUNDS]. Needs xorriso and curl, and half a megabyte of disk an image.
set -euo pipefail
images=${1:-1000}
rounds=${2:-5}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
pid=
cleanup() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

cargo build --quiet --locked --profile dist
program=$(realpath "${CARGO_TARGET_DIR:-target}/dist/image-service")

# An ISO with the directories of a small installer: 300 packages, a kernel.
mkdir -p "$work/source/packages" "$work/source/boot" "$work/static/iso"
(cd "$work/source/packages" && touch $(seq -f "package-name-%03g.el9.x86_64.rpm" 1 300))
head -c 300000 /dev/urandom >"$work/source/boot/vmlinuz"
xorriso -as mkisofs -quiet -R -J -no-pad -o "$work/image.iso" "$work/source" 2>"$work/log" || { cat "$work/log"; exit 1; }
for number in $(seq -f %05g 1 "$images"); do
    cp --reflink=auto "$work/image.iso" "$work/static/iso/$number.iso"
done
cat >"$work/config.json" <<'JSON'
{"httpEndpoints": [{"address": "127.0.0.1", "port": 0, "routers": "northbound"},
                   {"address": "127.0.0.1", "port": 0, "routers": "southbound"}],
 "minLogLevel": 4, "reserveBytes": 0}
JSON

milliseconds() {
    awk -v start="$started" -v end="$EPOCHREALTIME" 'BEGIN { printf "%.1f", (end - start) * 1000 }'
}
# Starts the program and waits for the last of its lines.
start() {
    started=$EPOCHREALTIME
    exec {lines}< <(exec "$program" --config "$work/config.json" 2>>"$work/log")
    pid=$!
    local label rest
    while read -r label rest <&"$lines"; do
        case $label in
            northbound) north=${rest%/} ;;
            southbound) south=${rest%/} ;;
            images) summary=$rest && break ;;
        esac
    done
    ready=$(milliseconds)
}
stop() {
    kill "$pid"
    tail --pid="$pid" -f /dev/null
    exec {lines}<&-
    pid=
}
memory() {
    awk '/^RssAnon:/ { printf "%.1f", $2 / 1024 }' "/proc/$pid/status"
}
# Asks each image for the beginning of its kernel, one after the other on one connection.
ask_all() {
    seq -f "url = \"$south/linux/%05g/boot/vmlinuz\"" 1 "$images" >"$work/ask"
    curl --silent --show-error --fail --range 0-999 --config "$work/ask" >"$work/answers"
    [ "$(stat -c %s "$work/answers")" -eq $((images * 1000)) ] || { echo "wrong answers" && exit 1; }
}

start
{
    echo "request = PUT"
    seq -f %05g 1 "$images" | sed "s#.*#url = \"$north/images?name=linux\&version=&\&isostore=&.iso\"#"
} >"$work/register"
curl --silent --show-error --fail --config "$work/register" >"$work/registered"
echo "registered $images images in $(milliseconds) ms"
# Digests that are still missing would be computed after each restart.
until ! curl --silent --fail "$north/iso" | grep -q '"sha256":null'; do sleep 0.2; done
stop

for round in $(seq 1 "$rounds"); do
    start
    [ "$summary" = "$images restored" ] || { echo "only $summary" && exit 1; }
    before=$(memory)
    curl --silent --fail --range 0-0 --output "$work/first" "$south/linux/00001/boot/vmlinuz"
    first=$(milliseconds)
    curl --silent --fail --range 0-0 --output "$work/last" "$south/linux/$(printf %05d "$images")/boot/vmlinuz"
    last=$(milliseconds)
    touched=$EPOCHREALTIME
    ask_all
    all=$(awk -v start="$touched" -v end="$EPOCHREALTIME" 'BEGIN { printf "%.1f", (end - start) * 1000 }')
    echo "round $round: serves after $ready ms, first byte of the first image after $first ms, of the last after $last ms;" \
        "$before MiB; all $images images in $all ms, then $(memory) MiB"
    stop
done
