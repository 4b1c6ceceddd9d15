"""PyPI httpx-sse with a resume loop: httpx_resume.py URL prints each event as a line of JSON.

httpx-sse reads one response; coming back, with the last id and after the server's own delay, is the caller's part.
"""

import json
import sys
import time

import httpx
import httpx_sse

# The HTML standard leaves the first delay open ("a few seconds"); Chromium takes three.
FIRST_RETRY_MS = 3000

# The server sends at least a heartbeat every 15 s: two of them missing is a dead connection.
SILENCE_S = 40.0


def events(client, url):
    """Every event of `url`, once, however often the connection is cut."""
    last_event_id, retry_ms = "", FIRST_RETRY_MS
    while True:
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        try:
            with httpx_sse.connect_sse(client, "GET", url, headers=headers) as source:
                source.response.raise_for_status()
                for event in source.iter_sse():
                    # Its decoder forgets the id with the connection: an empty one is "none so far", not "reset".
                    last_event_id = event.id or last_event_id
                    retry_ms = event.retry if event.retry is not None else retry_ms
                    # It also yields for every blank line once an id was seen, heartbeats too: those have no data.
                    if event.data:
                        yield event
        except httpx.TransportError:
            pass  # cut: the loop comes back
        time.sleep(retry_ms / 1000)


def main():
    url = sys.argv[1]
    with httpx.Client(timeout=httpx.Timeout(SILENCE_S), trust_env=False) as client:
        for event in events(client, url):
            print(json.dumps({"id": event.id, "type": event.event, "data": event.data}), flush=True)


main()
