/**
 * Certificates of an ACME authority at the edge. The room of components/certificates gets them and hands them over in a
 * volume, in a folder of its own each, to which the link `current` leads. The edge takes a copy from there by itself: it
 * shares no process and no engine with the room. Until there is one, it serves the one that the program generated.
 */
import { EDGE_FOLDER } from "./switch.ts";
import { HOST_CHECK } from "./upstream.ts";

export interface AcmeEdge {
  /** The port of HTTPS as clients see it. */
  readonly httpsPort: number;
}

/** Where the edge has what the room hands over; for the edge it is read-only. */
export const HANDOVER_FOLDER = "/etc/omniai/certificates";

/** Where the room puts the answers to an authority's challenges (HTTP-01), within that folder. */
export const CHALLENGES_FOLDER = "challenges";

/** Which pair is served, and whether browsers trust it. It is of no release: a renewal is no deploy. */
const CERTIFICATE_FILE = "certificate.conf";

/** The edge's own copies, in its folder, and how many of them are kept, with the one that is served. */
const PAIRS_FOLDER = "certificates";
const KEPT = 3;

/** How often the edge looks for another certificate, in seconds. */
const LOOK_SECONDS = 2;

/** For the http level. */
export const renderRealCertificate = (acme: AcmeEdge | undefined): string =>
  acme === undefined
    ? ""
    : `
  # $real_certificate is 1 for a pair of the authority. Only then is anybody sent to HTTPS, and told to stay there.
  include ${EDGE_FOLDER}/${CERTIFICATE_FILE};
  map "$real_certificate:$client_scheme" $to_https { default 0; "1:http" 1; }
`;

/** An authority asks by HTTP, also while everything else is sent to HTTPS or is under maintenance. */
export const CHALLENGE_LOCATION = `
    location ^~ /.well-known/acme-challenge/ {
      root ${HANDOVER_FOLDER}/${CHALLENGES_FOLDER};
      types { }
      default_type text/plain;
      etag off;
      try_files $uri =404;
    }`;

/** For each location that serves anything. A method is kept by 308, so that a POST stays one. */
export function renderHostChecks(acme: AcmeEdge | undefined): string {
  if (acme === undefined) return HOST_CHECK;
  const port = acme.httpsPort === 443 ? "" : `:${acme.httpsPort}`;
  return `${HOST_CHECK}\n      if ($to_https) { return 308 https://$host${port}$request_uri; }`;
}

/**
 * What both scripts need, in the edge's folder: writes which pair is served, by the name of its folder; without one, the
 * generated pair of the current release. No name is used twice, so a pair never changes beneath nginx.
 */
const WRITE_CERTIFICATE = `write_certificate() {
  folder=tls certificate=certificate.pem key=key.pem real=0
  if [ -n "$2" ]; then folder=${EDGE_FOLDER}/${PAIRS_FOLDER}/$2 certificate=fullchain.pem key=privkey.pem real=1; fi
  printf 'ssl_certificate %s/%s;\\nssl_certificate_key %s/%s;\\nmap "" $real_certificate { default %s; }\\n' \\
    "$folder" "$certificate" "$folder" "$key" "$real" > "$1.partial" &&
    mv -f "$1.partial" "$1"
}
`;

/** Comes before a switch: the first release that asks for the file must find it. */
export const FIRST_CERTIFICATE_SCRIPT = `set -eu
${WRITE_CERTIFICATE}cd ${EDGE_FOLDER}
[ -e ${CERTIFICATE_FILE} ] || write_certificate ${CERTIFICATE_FILE} ""
`;

/**
 * The edge's own process: nginx, and beside it a loop that looks for another certificate, has nginx check it with the
 * configuration that serves, and reloads as a deploy does. It serves a copy in its own volume, so it depends on nothing
 * that the room still has. A pair that nginx refuses never counts, and at a start one that is not there any more is no
 * reason to stay down.
 */
export const EDGE_SCRIPT = `set -eu
cd ${EDGE_FOLDER}
${WRITE_CERTIFICATE}served() { sed -n 's#^ssl_certificate .*/${PAIRS_FOLDER}/\\(.*\\)/fullchain.pem;#\\1#p' ${CERTIFICATE_FILE}; }
accepts() {
  release=$(readlink -f current) || return 2
  sed 's#/${CERTIFICATE_FILE.replaceAll(".", "\\.")};#/next.${CERTIFICATE_FILE};#' "$release/nginx.conf" > "$release/next.conf" || return 2
  said=$(nginx -t -q -c "$release/next.conf" 2>&1) && answer=0 || answer=$?
  if [ -n "$said" ]; then printf '%s\\n' "$said" >&2; fi
  # Refused memory, nginx ends as it does over a pair that is wrong.
  case "$answer $said" in "1 "*"Cannot allocate memory"* | "1 "*"malloc failure"*) return 2 ;; esac
  return $answer
}
look() {
  pair=$(readlink -f ${HANDOVER_FOLDER}/current) || return 0
  [ -r "$pair/fullchain.pem" ] && [ -r "$pair/privkey.pem" ] || return 0
  name=\${pair##*/}
  if [ "$name" = "$(served)" ] || [ "$name" = "$refused" ]; then return 0; fi
  rm -rf ${PAIRS_FOLDER}/.next "${PAIRS_FOLDER}/$name"
  mkdir -p -m 700 ${PAIRS_FOLDER} ${PAIRS_FOLDER}/.next
  # On a full disk it is tried again the next time.
  cp "$pair/fullchain.pem" "$pair/privkey.pem" ${PAIRS_FOLDER}/.next/ || return 1
  mv ${PAIRS_FOLDER}/.next "${PAIRS_FOLDER}/$name" || return 1
  write_certificate next.${CERTIFICATE_FILE} "$name" || return 1
  accepts && answer=0 || answer=$?
  # Only what nginx itself says against it counts: without room for the file, or without memory, it has said nothing.
  if [ $answer -gt 1 ]; then return 1; fi
  if [ $answer = 1 ]; then
    refused=$name
    rm -rf "${PAIRS_FOLDER}/$name"
    echo "nginx refuses the certificate $name (above); the edge goes on with the one before" >&2
    return 0
  fi
  mv -f next.${CERTIFICATE_FILE} ${CERTIFICATE_FILE}
  kill -HUP "$(cat /tmp/nginx.pid)"
  echo "the edge serves the certificate $name" >&2
  ls -1t ${PAIRS_FOLDER} | tail -n +${KEPT + 1} | while read -r old; do rm -rf "${PAIRS_FOLDER}/$old"; done
}
refused=
if [ ! -e ${CERTIFICATE_FILE} ] || ! nginx -t -q -c ${EDGE_FOLDER}/current/nginx.conf; then
  write_certificate ${CERTIFICATE_FILE} ""
fi
if [ -z "$(served)" ]; then
  echo "there is no certificate of the authority yet: the edge serves the generated one, which no browser trusts" >&2
fi
(
  while :; do
    sleep ${LOOK_SECONDS}
    look || true
  done
) &
exec nginx -c ${EDGE_FOLDER}/current/nginx.conf -g "daemon off;"
`;
