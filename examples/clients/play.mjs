// node play.mjs ws://127.0.0.1:8420/ws/sessions/<scroll_id> [speed]     (npm install ws)
//
// Prints a session as it happened, and comes back by itself when the connection is lost.

import WebSocket from "ws";

const [url, speed = "8"] = process.argv.slice(2);
let place = null; // the epoch, and the next event, once the server has greeted

function connect(tries = 0) {
  const address = new URL(url);
  address.search = new URLSearchParams({ mode: "realtime", speed, idle: "2", ...place });
  const socket = new WebSocket(address, "scrollcast.v1");
  socket.on("message", (text) => {
    const message = JSON.parse(text);
    if (message.type === "hello") {
      if (message.resume === "reset") fail("the session was rewritten");
      place = { epoch: message.epoch, start_seq: message.state.seq };
      tries = 0;
    } else if (message.type === "event") {
      place.start_seq = message.seq + 1;
      print(message);
    } else if (message.type === "skipped") {
      console.log(`      … ${Math.round((message.to_ms - message.from_ms) / 1000)} s later`);
    } else if (message.code === "archive_rewritten") {
      fail("the session was rewritten");
    } else if (message.type === "error") {
      console.error(message.message);
    }
  });
  socket.on("error", (problem) => place ?? fail(problem.message));
  socket.on("close", (code) => {
    if (code === 1000) return;
    if (code === 1008 || code === 1009 || code >= 4500) fail(`closed with ${code}`);
    setTimeout(connect, Math.min(10_000, 250 * 2 ** tries), tries + 1);
  });
}

function print({ t_ms, event }) {
  for (const part of event.message?.content ?? []) {
    const clock = new Date(t_ms).toISOString().slice(11, 19);
    if (part.type === "text") console.log(`${clock} ${event.message.role}: ${part.text}`);
    if (part.type === "tool_call") console.log(`${clock} ${part.name} ${JSON.stringify(part.input)}`);
  }
}

function fail(why) {
  console.error(why);
  process.exit(1);
}

connect();
