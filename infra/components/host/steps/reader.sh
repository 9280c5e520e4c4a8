# A program that lets an SSH key look at the engine and do nothing else, for the drift check. It is of no effect until a
# line of authorized_keys names it (docs/environments.md).
install python3
put /usr/local/lib/omniai/engine-reader 755 <<'PYTHON' || true
@engine-reader.py@
PYTHON
