"""Compiles what the room runs. The official image has certbot's sources as they are, and its root is read-only here: each run would
compile them anew, at a fifth of a core."""

import compileall
import importlib.util
import sys

for name in ("certificates", "certbot", "acme", "certbot_dns_cloudflare"):
    found = importlib.util.find_spec(name)
    # An image without the plugin is good for HTTP-01.
    for folder in (found.submodule_search_locations or []) if found else []:
        if not compileall.compile_dir(folder, quiet=1):
            sys.exit(f"{folder} cannot be compiled")
