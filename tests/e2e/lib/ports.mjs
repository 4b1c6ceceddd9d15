// Free TCP ports on loopback.

import net from 'node:net';

/** A port that was free on 127.0.0.1 a moment ago. */
export async function freePort() {
  const server = net.createServer();
  await listen(server);
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Binds `server` to 127.0.0.1 (a free port unless given) and returns the port. */
export function listen(server, port = 0) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve(server.address().port);
    });
  });
}
