/**
 * The scripts that bring a configuration to the edge. They are passed in a variable (`sh -c "$SCRIPT"`), so that the
 * host's shell does not interpret any of their characters.
 */

/** Where the edge's volume is mounted. `current` is a link to one of `releases/`. */
export const EDGE_FOLDER = "/etc/omniai/edge";

/** Within a release: the page, and how it arrives there. */
export const PAGE_FOLDER = "page";
export const PAGE_ARCHIVE = "page.tar.gz";

/** How many releases are kept in the volume, including the current one. */
const KEPT = 3;

/**
 * Runs inside the edge with RELEASE set and a base64 tar on standard input. It unpacks the tar into its own folder, has
 * nginx check it, makes it current in one step, reloads, and waits until new workers answer with it. A configuration
 * that nginx refuses never becomes current, so it can break neither this run nor a restart.
 */
export const SWITCH_SCRIPT = `set -eu
cd ${EDGE_FOLDER}
target=releases/$RELEASE
rm -rf "$target.partial"
mkdir -p "$target.partial"
base64 -d | tar -C "$target.partial" -xf -
if [ -e "$target.partial/${PAGE_ARCHIVE}" ]; then
  mkdir "$target.partial/${PAGE_FOLDER}"
  tar -C "$target.partial/${PAGE_FOLDER}" -xzf "$target.partial/${PAGE_ARCHIVE}"
  rm "$target.partial/${PAGE_ARCHIVE}"
fi
if ! nginx -t -q -c "${EDGE_FOLDER}/$target.partial/nginx.conf"; then
  rm -rf "$target.partial"
  echo "nginx refuses the new configuration (above); the edge goes on with the old one" >&2
  exit 1
fi
if [ "$(readlink current)" != "$target" ]; then rm -rf "$target"; fi
if [ -e "$target" ]; then rm -rf "$target.partial"; else mv "$target.partial" "$target"; fi
# The files have no time of their own; the folder's says which releases are the newest.
touch "$target"
ln -sfn "$target" current.next
mv -fT current.next current
kill -HUP "$(cat /tmp/nginx.pid)"
tries=0
until [ "$(curl -fsS --max-time 2 "http://127.0.0.1:$STATUS_PORT/release" 2>/dev/null)" = "$RELEASE" ]; do
  tries=$((tries + 1))
  if [ "$tries" -ge 100 ]; then
    echo "the edge did not take the new configuration within 10 s; see its log: docker logs $HOSTNAME" >&2
    exit 1
  fi
  sleep 0.1
done
ls -1t releases | tail -n +${KEPT + 1} | while read -r old; do
  if [ "releases/$old" != "$target" ]; then rm -rf "releases/$old"; fi
done
`;

/** What an edge runs that has no authority's certificates to look for. */
export const PLAIN_SCRIPT = `exec nginx -c ${EDGE_FOLDER}/current/nginx.conf -g "daemon off;"
`;

/**
 * Runs in a short-lived container with the edge's volume at /files. It writes the first release into a new volume, so
 * that the edge can start. If the volume already has a release, the script changes nothing.
 */
export const FIRST_RELEASE_SCRIPT = `set -e
if [ -e /files/current ]; then exit 0; fi
base64 -d | tar -C /files --numeric-owner -xpf -
ln -sfn releases/first /files/current
chown -h "$OWNER" /files/current`;
