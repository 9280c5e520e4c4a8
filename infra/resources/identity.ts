/**
 * The scripts around a data volume's identity, for the shell of the workload's own image. They are passed in a variable,
 * so that the host's shell does not interpret any of their characters.
 */

/** The file at the top of a data volume that has its identity. It begins with a dot, so that no server minds it. */
export const IDENTITY_FILE = ".omniai-identity";

/**
 * What the identity is called in a volume whose data went to another machine (npm run move): the guard starts no server there any more,
 * and no deploy claims what was left behind.
 */
export const MOVED_FILE = ".omniai-moved";

/** There while the first content is made. What it marks nobody relies on yet. */
const UNFINISHED_FILE = ".omniai-unfinished";

/** How the first content of a volume is made, and how one that was cut off is told from what somebody has brought. */
export interface Initialise {
  /** Makes the content in `folder` and moves it up from there. */
  readonly script: string;
  /** A folder in the volume. All that the script has made is in it, until `moving` is there. */
  readonly folder: string;
  /** There while the content is being moved up. */
  readonly moving: string;
  /** Comes up last: what `moving` becomes. */
  readonly last: string;
}

/**
 * Pure: the script around one kind of data, in a container that has the volume. Its $0 says what to do.
 *
 * `claim` is for a volume that the state has not claimed yet. An empty one gets its first content; one that has some is of
 * a deploy from before there were identities, and keeps it. `check` is for a volume that was claimed before: it never
 * begins anything.
 * A first content that was cut off is removed and made again, and nothing but that: what lies there may be a backup that
 * somebody has brought since.
 * @param folder where the volume is. @param initialise what makes the first content there; default: nothing has to.
 */
export const claimScript = (folder: string, initialise?: Initialise): string => `set -eu
cd ${folder}
found=$(cat ${IDENTITY_FILE} 2>/dev/null) || found=
if [ "$found" = "$IDENTITY" ]; then exit 0; fi
if [ -n "$found" ]; then
  echo "Volume $VOLUME holds other data than the stack's own: its identity is $found, and the state says $IDENTITY. Nothing was changed. Bring the right volume back under that name." >&2
  exit 1
fi
if [ -e ${MOVED_FILE} ]; then
  echo "The data of volume $VOLUME was moved to another machine (npm run move): what is here is as it was before. Nothing was changed." >&2
  exit 1
fi
if [ "$0" != claim ]; then
  echo "Volume $VOLUME was emptied, or is a new one: the data that the state knows ($IDENTITY) is not in it. Nothing was changed. npm run up says what can be done." >&2
  exit 1
fi
everything() { find . -mindepth 1 -maxdepth 1 ! -name ${UNFINISHED_FILE} ! -name lost+found "$@"; }
initialise() (
  set -eu
${(initialise?.script ?? ":").replace(/^/gm, "  ")}
)
${initialise ? clearUnfinished(initialise) : ""}if [ -z "$(everything | head -n 1)" ]; then
  : > ${UNFINISHED_FILE}
  # Not in a condition, where a shell would go on after a command that fails.
  set +e
  said=$(initialise 2>&1)
  failed=$?
  set -e
  if [ "$failed" != 0 ]; then
    printf '%s\\n' "$said" >&2
    exit 1
  fi
  sync
fi
# In this order: a run that is cut off in between leaves good data without an identity, and the next one gives it one.
rm -f ${UNFINISHED_FILE}
printf '%s\\n' "$IDENTITY" > ${IDENTITY_FILE}.new
mv ${IDENTITY_FILE}.new ${IDENTITY_FILE}
sync`;

/** Pure: the part that removes what a cut off run has made, or refuses where it cannot know that. */
const clearUnfinished = ({ folder, moving, last }: Initialise): string => `if [ -e ${UNFINISHED_FILE} ]; then
  if [ ! -e ${moving} ]; then
    rm -rf ${folder}
  elif [ ! -e ${last} ]; then
    everything -exec rm -rf '{}' +
  fi
  if [ -e ${moving} ] || { [ ! -e ${last} ] && [ -n "$(everything | head -n 1)" ]; }; then
    echo "Volume $VOLUME holds files that an unfinished first start of the stack did not make, or that are mixed with what it made. Nothing of them was removed. If they are a copy of the data, empty the volume and bring the whole copy again, with ${last} at the top of the volume; if nobody needs them, empty the volume. Then run npm run up again." >&2
    exit 1
  fi
fi
`;

/** The entry point of a workload with a data volume: its command runs on the right volume only. */
export const GUARD_SCRIPT = `if [ "$(cat "$DATA_FILE" 2>/dev/null)" = "$DATA_IDENTITY" ]; then exec "$@"; fi
echo "$DATA_FILE does not have the identity that the stack's state knows ($DATA_IDENTITY): the volume is empty, or another one. Nothing is started on it, so that nobody takes it for the data. npm run up says what can be done." >&2
exit 1`;
