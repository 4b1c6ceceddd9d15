// A real nginx before Tidings, as somebody who wants to share a local one would set it up.

import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { freePort } from './ports.mjs';
import { temporaryDirectory } from './temporary.mjs';
import { until, within } from './until.mjs';

/** Debian's path; another machine names its own. */
const EXECUTABLE = process.env.TIDINGS_NGINX ?? '/usr/sbin/nginx';

/** Starts it on loopback; `{ url, stop() }`. */
export async function startNginx(upstreamPort) {
  const port = await freePort();
  const directory = await temporaryDirectory();
  const file = path.join(directory.path, 'nginx.conf');
  await writeFile(file, configuration(port, upstreamPort));
  const child = spawn(EXECUTABLE, ['-p', directory.path, '-c', file, '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.once('error', (error) => (said += error.message));
  const url = `http://127.0.0.1:${port}`;
  await until(() => `nginx; it said: ${said}`, () => fetch(`${url}/nginx-is-up`).then((answer) => answer.ok, () => false));
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      await within('nginx to end', ended);
      await directory.remove();
    },
  };
}

/** One process in the foreground, everything it writes inside its directory. */
function configuration(port, upstreamPort) {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`).join(' ');
  return `
daemon off; master_process off; pid nginx.pid;
events { worker_connections 64; }
http {
  access_log off; ${temporary}
  server {
    listen 127.0.0.1:${port};
    location = /nginx-is-up { return 204; }
    location / {
      proxy_pass http://127.0.0.1:${upstreamPort};
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`;
}
