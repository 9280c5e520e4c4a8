/**
 * How data is exchanged within its volume, as shell scripts that run as the store's own user, with /data, /restored and /aside.
 * Each can be killed at any moment: marks in the folder of the old data say what is where, and the next run goes by them
 * (ops/stack/exchange-stage.ts).
 */
import { IDENTITY_FILE } from "../../../infra/resources/identity.ts";
import { ASIDE, COPYING, EXCHANGE, MOVING } from "../../stack/exchange-stage.ts";
import type { Store } from "./stores.ts";

/** A mark in a volume of kept data that is not whole. */
export const PARTIAL = ".partial";

export interface Exchange {
  /**
   * Refuses where an earlier exchange is complete and what it replaced is not kept yet, and where what is restored is not, or
   * while it is copied no longer is, what this mark says (markOf).
   */
  readonly exchange: (mark: string) => string;
  /** Puts the old data back, also from a complete exchange: only for the run that has made it, before it served anybody. */
  readonly undo: string;
  /** Puts the old data back where an exchange is half, and does nothing otherwise. */
  readonly settle: string;
  readonly keep: string;
}

/** What has this name counts as gone, so that a folder appears and goes with its marks at once. */
const GONE = `/data/${ASIDE}.gone`;
const MARKS = [EXCHANGE, MOVING, COPYING].map((path) => path.slice(ASIDE.length + 1));

/** Nothing in the data's place is removed unless the old data is aside. */
const BACK = `back() {
  [ -d /data/${ASIDE} ] || { echo "nothing is aside, so nothing is put back" >&2; exit 1; }
  rm -rf ${GONE}
  if [ ! -e /data/${MOVING} ]; then
    touch /data/${COPYING}
    sync -f /data
    find /data -mindepth 1 -maxdepth 1 ! -name ${ASIDE} -exec rm -rf {} +
    touch /data/${MOVING}
    sync -f /data
  fi
  find /data/${ASIDE} -mindepth 1 -maxdepth 1 ${MARKS.map((mark) => `! -name ${mark}`).join(" ")} -exec mv -t /data {} +
  sync -f /data
  mv /data/${ASIDE} ${GONE}
  rm -rf ${GONE}
  sync -f /data
}`;

const SETTLE = `if [ -e /data/${MOVING} ] || [ -e /data/${COPYING} ]; then back; fi`;

/** Pure: where the room says of what it has restored what that is, in the backup volume. */
export const restoredFile = ({ restored }: Pick<Store, "restored">): string =>
  restored.replace(/[^/]+$/, "restored.json");

/** What the room has answered of a restore whose data it has kept. */
export interface KeptRestore {
  readonly backup: { readonly id: string };
  /** No two restores have the same; undefined from a room of a version before marks. */
  readonly mark?: string;
}

/** Pure: by what the restored data is known. Of an older room only the backup's id: another moment of the same looks alike. */
export const markOf = ({ backup, mark }: KeptRestore): string => mark ?? backup.id;

/** What the script of an exchange says where other data lies in the backup volume. */
export const OTHER_DATA =
  "another restore or upgrade has taken the place of the restored data in the backup volume";

/** Pure. @throws Error for what would be more than a word to the shell */
function isRestored(store: Store, mark: string): string {
  if (!/^[\w.-]+$/.test(mark)) throw new Error(`${mark} is no mark`);
  return `is_restored() {
  case "$(cat /restored/${restoredFile(store)} 2>/dev/null)" in *'"${mark}"'*) ;; *) echo "${OTHER_DATA}" >&2; return 1 ;; esac
}`;
}

/** Pure. */
export const exchangeScripts = (store: Store): Exchange => ({
  exchange: (mark) => exchangeScript(store, mark),
  undo: `set -eu
${BACK}
if [ -d /data/${ASIDE} ]; then back; fi`,
  settle: `set -eu
${BACK}
${SETTLE}`,
  keep: `set -eu
touch /aside/${PARTIAL}
cp -a /data/${ASIDE}/. /aside/
rm -f ${[...MARKS, PARTIAL].map((mark) => `/aside/${mark}`).join(" ")}
sync -f /aside
mv /data/${ASIDE} ${GONE}
rm -rf ${GONE}`,
});

function exchangeScript(store: Store, mark: string): string {
  const { restored, proof } = store;
  return `set -eu
${BACK}
${isRestored(store, mark)}
${SETTLE}
is_restored || exit 1
[ -e /restored/${restored}/${proof} ] || { echo "the restored data is not in the backup volume" >&2; exit 1; }
if [ -d /data/${ASIDE} ]; then echo "what was replaced before is not kept yet" >&2; exit 1; fi
rm -rf ${GONE}
mkdir -m 0700 ${GONE}
touch ${[EXCHANGE, MOVING].map((path) => `${GONE}${path.slice(ASIDE.length)}`).join(" ")}
mv ${GONE} /data/${ASIDE}
find /data -mindepth 1 -maxdepth 1 ! -name ${ASIDE} -exec mv -t /data/${ASIDE} {} +
touch /data/${COPYING}
sync -f /data
rm /data/${MOVING}
# A base backup that was taken of a server beside its old data has that as well: it belongs to nobody here.
find /restored/${restored} -mindepth 1 -maxdepth 1 ! -name '${ASIDE}*' -exec cp -a -t /data {} + || { back; exit 1; }
# A restore that began meanwhile has renamed the folder: what was copied may be of both.
is_restored || { back; exit 1; }
# The volume is still the stack's own.
if [ -f /data/${ASIDE}/${IDENTITY_FILE} ]; then cp -p /data/${ASIDE}/${IDENTITY_FILE} /data/; fi
chmod 0700 /data
sync -f /data
rm /data/${COPYING}
sync -f /data`;
}
