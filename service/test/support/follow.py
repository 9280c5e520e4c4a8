"""Follows a stream with httpx-sse as its README says: python follow.py URL. Prints the id of each event of type "n"."""

import sys
import time

import httpx
from httpx_sse import connect_sse

url = sys.argv[1]
last_id = ""
delay = 1.0
with httpx.Client(timeout=30) as client:
    while True:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        try:
            with connect_sse(client, "GET", url, headers=headers) as source:
                for event in source.iter_sse():
                    last_id = event.id or last_id
                    if event.retry is not None:
                        delay = event.retry / 1000
                    if event.event == "n":
                        print(event.id, flush=True)
                    if event.event == "reset":
                        print("reset", flush=True)
        except httpx.HTTPError:
            pass
        time.sleep(min(delay, 1.0))
