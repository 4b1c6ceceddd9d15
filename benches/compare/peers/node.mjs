// A peer: what a program has that serves events with Node's own `http` and a set of responses for each topic. In memory.
// `node node.mjs HOST PORT`; `GET /topics/{topic}` listens, `POST /topics/{topic}` publishes its body.
import http from 'node:http'

const [host, port] = process.argv.slice(2)
const topics = new Map()

function listen(path, response) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.flushHeaders()
  const listeners = topics.get(path) ?? new Set()
  topics.set(path, listeners.add(response))
  response.on('close', () => listeners.delete(response))
}

function publish(path, request, response) {
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    const event = `data: ${Buffer.concat(parts)}\n\n`
    for (const listener of topics.get(path) ?? []) listener.write(event)
    response.writeHead(200, { 'content-length': 0 }).end()
  })
}

const server = http.createServer((request, response) => {
  if (request.method === 'GET') listen(request.url, response)
  else publish(request.url, request, response)
})
// A backlog as deep as the kernel allows, as the other servers have it.
server.listen({ host, port: Number(port), backlog: 65535 })
