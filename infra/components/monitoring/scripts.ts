/** The scripts that prepare the monitoring's volumes, each mounted at /files. */

/** The folder belongs to the user in OWNER, as `uid:gid`. */
export const OWN_FOLDER_SCRIPT = 'chown "$OWNER" /files';

/**
 * Puts the files of a base64 tar on standard input into the volume, each in one step: who reads one never sees a part of it.
 * Beside them come links by which the agent finds each container's log. Those of the list before stay until the next one:
 * a replica that drains still writes. They come first, because a singleton that was replaced has its name, and so its link,
 * from the one before.
 */
export const TARGETS_SCRIPT = `set -e
cd /files
rm -rf .next
mkdir .next
base64 -d | tar -C .next --numeric-owner -xpf -
if [ -e containers ]; then cp -p containers .next/containers.before; fi
mv -f .next/* .
rm -rf .next
mkdir -p links
wanted=' '
for list in containers.before containers; do
  [ -e "$list" ] || continue
  while read -r id name workload replica; do
    link=$workload.$replica.$name.log
    ln -sfn "/containers/$id/$id-json.log" "links/$link"
    wanted="$wanted$link "
  done <"$list"
done
for link in links/*.log; do
  case $wanted in *" \${link#links/} "*) ;; *) rm -f "$link" ;; esac
done
chmod 755 . links`;
