# Keeps a throw-away server: carries out the orders that come as lines on stdin, and when stdin closes, because
# the owner dropped it or died, ends the server and removes its folder.
# Arguments: the server's program, the template of the data directory, the server's folder, the signal that ends
# it at once.
program=$1 template=$2 base=$3 last=$4

# A terminal's interrupt is for the owner, and an answer that nobody reads must not end us before we have cleaned
# up. The server sets its own handlers for all of these.
trap '' HUP INT TERM PIPE

start() {
    rm -f "$base/pid" "$base/ended"
    {
        # The number is written before the server runs, so an order to end it always finds it.
        sh -c 'echo $$ >"$2/pid.new" && mv "$2/pid.new" "$2/pid" && exec "$1" -D "$2/data"' \
            server "$program" "$base"
        echo $? >"$base/ended"
    } </dev/null >>"$base/log" 2>&1 &
    waiter=$!
    until [ -e "$base/pid" ] || [ -e "$base/ended" ]; do sleep 0.01; done
}

end() {
    if [ -n "$waiter" ]; then
        [ -e "$base/ended" ] || kill -s "$1" "$(cat "$base/pid")" 2>/dev/null
        wait "$waiter"
        waiter=
    fi
}

waiter=
while read -r order argument; do
    case $order in
    copy) if cp -a "$template" "$base/data" 2>>"$base/log"; then echo done; else echo failed; fi ;;
    start) start; echo done ;;
    end) end "$argument"; echo done ;;
    esac
done

end "$last"
rm -rf "$base"
