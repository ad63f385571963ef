// The reference in Node: `ws`, cached Buffers, a timer a viewer in realtime, the socket's own back-pressure in fast mode.
//
//     node benchmarks/node_sender.mjs FOLDER      serves FOLDER/ID.frames by FOLDER/ID.table and prints its address

import { readFileSync } from "node:fs";
import { argv, stdout } from "node:process";
import { performance } from "node:perf_hooks";

import { WebSocketServer } from "ws";

const FULL_BYTES = 1 << 20;
const sessions = new Map();

function load(id) {
  if (!sessions.has(id)) {
    const table = new Float64Array(readFileSync(`${argv[2]}/${id}.table`).buffer.slice(0));
    const frames = readFileSync(`${argv[2]}/${id}.frames`);
    const events = [];
    for (let at = 0; at < table.length; at += 3) {
      const [ms, offset, length] = table.subarray(at, at + 3);
      const head = (frames[offset + 1] & 127) < 126 ? 2 : (frames[offset + 1] & 127) === 126 ? 4 : 10;
      events.push({ ms, payload: frames.subarray(offset + head, offset + length) });
    }
    sessions.set(id, events);
  }
  return sessions.get(id);
}

function pace(socket, events, startMs) {
  let next = events.findIndex(({ ms }) => ms >= startMs);
  const begun = performance.now();
  const send = () => {
    const reached = performance.now() - begun + startMs;
    while (next < events.length && events[next].ms <= reached) {
      socket.send(events[next++].payload, { binary: false });
    }
    if (next < events.length && socket.readyState === socket.OPEN) {
      setTimeout(send, Math.ceil(events[next].ms - reached));
    }
  };
  send();
}

function pour(socket, events) {
  let next = 0;
  const more = () => {
    while (next < events.length && socket.bufferedAmount < FULL_BYTES) {
      socket.send(events[next++].payload, { binary: false }, next % 64 === 0 ? again : undefined);
    }
    if (next === events.length) {
      next += 1;
      socket.close(1000);
    }
  };
  const again = () => setImmediate(more);
  more();
}

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", backlog: 4096, perMessageDeflate: false });
server.on("connection", (socket, request) => {
  const url = new URL(request.url, "http://localhost");
  const events = load(url.pathname.split("/").at(-1));
  socket.send('{"type":"hello"}');
  if (url.searchParams.get("mode") === "realtime") {
    pace(socket, events, Number(url.searchParams.get("start_ms")));
  } else {
    pour(socket, events);
  }
});
server.on("listening", () => stdout.write(`127.0.0.1:${server.address().port}\n`));
