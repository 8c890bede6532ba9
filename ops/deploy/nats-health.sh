#!/bin/sh
# The health check of a NATS node: 0 where it is healthy, 1 where it is not. A node that hangs, or whose
# copies stay broken, is ended, so that whoever keeps it running (Docker's restart policy, systemd) starts
# it again: Docker alone restarts what has ended, and nothing that is merely unhealthy.
#
# - It does not answer for HANGS seconds: SIGKILL.
# - It says for BROKEN seconds that what keeps a copy does not run: SIGTERM.
# - Anything else that it says of itself (it starts, it catches up, it has no leader) passes by itself,
#   however long that takes, and a restart would only begin it again.
#
# Needs only sh, nc and timeout, as busybox has them. A container needs `init: true`: nobody can kill process 1 from inside.

HOST=${NATS_MONITOR_HOST:-127.0.0.1}
PORT=${NATS_MONITOR_PORT:-8222}
HANGS=${NATS_HANGS:-30}
BROKEN=${NATS_BROKEN:-300}
SINCE=${NATS_HEALTH_FILE:-/tmp/nats-unhealthy}
PID=${NATS_PID:-$(pidof nats-server)}

# Not wget: it keeps the body of an error to itself, and the body says why.
said=$(printf 'GET /healthz HTTP/1.0\r\n\r\n' | timeout 2 nc "$HOST" "$PORT" 2>&1)
case "$said" in
  *'"status":"ok"'*) rm -f "$SINCE"; exit 0 ;;
  *HTTP/1.*not\ running*) state=broken; within=$BROKEN; signal=TERM ;;
  *HTTP/1.*) rm -f "$SINCE"; echo "$said"; exit 1 ;;
  *) state=silent; within=$HANGS; signal=KILL ;;
esac

now=$(date +%s)
# Begun again where it is unhealthy otherwise than before.
read -r was since 2>/dev/null <"$SINCE" || was=
if [ "$was" != "$state" ]; then
  since=$now
  echo "$state $since" >"$SINCE"
fi
echo "$state for $((now - since)) s: $said"
if [ $((now - since)) -ge "$within" ]; then
  rm -f "$SINCE"
  echo "ending process $PID by SIG$signal"
  kill -s "$signal" $PID
fi
exit 1
