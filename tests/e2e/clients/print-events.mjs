// What the two EventSource libraries for Node share: they are used exactly as the browser's own.

/** Listens as the command line says. */
export function printEvents(EventSource) {
  const [url, ...types] = process.argv.slice(2);
  const source = new EventSource(url);
  for (const type of types) {
    source.addEventListener(type, (event) => {
      process.stdout.write(`${JSON.stringify({ id: event.lastEventId, type: event.type, data: event.data })}\n`);
    });
  }
  // Both libraries unref their reconnection timer: nothing else would keep this process alive while it is cut off.
  setInterval(() => {}, 60_000);
  // Said for whoever reads a failure; reconnecting is the library's own affair.
  source.addEventListener('error', (event) => {
    if (source.readyState === EventSource.CLOSED) process.stderr.write(`closed for good: ${event.message ?? ''}\n`);
  });
}
