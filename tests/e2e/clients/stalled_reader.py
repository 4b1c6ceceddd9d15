"""A reader that stops in the middle of a frame, behind a window of 4 KiB: stalled_reader.py PORT TARGET.

Prints `{"stalled": BYTES}` and reads no more until a line comes on its standard input. Then it reads on to the event of
type `end`, printing each whole event as a line of JSON. In Python because Node cannot set SO_RCVBUF.
"""

import json
import socket
import sys

# The window the test is about; set before connecting, or the handshake announces a larger one.
WINDOW_BYTES = 4096

# So much of the first large event is read before stopping: less than it has, more than its first lines.
READ_OF_FRAME_BYTES = 2000

# Reading on through 4 KiB would take minutes; the stall is over by then.
WINDOW_AFTERWARDS_BYTES = 4 << 20


def connect(port, target):
    """A subscription over a socket with a small window; answers with the socket."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW_BYTES)
    connection.connect(("127.0.0.1", port))
    head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def read_into_first_event(connection):
    """Reads until the first published event has begun and is not whole; answers with what was read."""
    read = b""
    while True:
        read += connection.recv(512)
        begun = read.find(b"\ndata: 0 ")
        if begun >= 0 and len(read) - begun >= READ_OF_FRAME_BYTES:
            return read


def body_of(read, connection):
    """The body's bytes, without the head and the chunks' headers."""
    buffer = read.split(b"\r\n\r\n", 1)[1]

    def more():
        nonlocal buffer
        received = connection.recv(1 << 16)
        if not received:
            raise EOFError("the server ended the connection")
        buffer += received

    while True:
        while b"\r\n" not in buffer:
            more()
        size_line, buffer = buffer.split(b"\r\n", 1)
        size = int(size_line, 16)
        while len(buffer) < size + 2:
            more()
        yield buffer[:size]
        if size == 0:
            return
        buffer = buffer[size + 2 :]


def blocks_of(body):
    """Each whole block as a dictionary of its fields."""
    rest = b""
    for piece in body:
        *blocks, rest = (rest + piece).split(b"\n\n")
        for block in blocks:
            lines = block.decode().split("\n")
            yield dict(line.partition(": ")[::2] for line in lines)


def main():
    connection = connect(int(sys.argv[1]), sys.argv[2])
    read = read_into_first_event(connection)
    print(json.dumps({"stalled": len(read)}), flush=True)
    sys.stdin.readline()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW_AFTERWARDS_BYTES)
    for block in blocks_of(body_of(read, connection)):
        if "data" not in block:
            continue
        kind, data = block.get("event", "message"), block["data"]
        number = int(data.split(" ", 1)[0]) if kind == "message" else None
        control = data if kind.startswith("tidings.") else None
        print(json.dumps({"type": kind, "number": number, "length": len(data), "control": control}), flush=True)
        if kind == "end":
            return


main()
