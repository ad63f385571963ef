// A client for any page, without a library: `for await (const event of replay(url, { mode: "realtime", speed: 8 }))`.
//
// `url` is ws://host/ws/sessions/<scroll_id>; the parameters are those of docs/protocol.md. It comes back by itself when
// the connection is lost, without a repeat or a hole. A page of another origin has to be let in: --allow-origin.

const FINAL = (code) => code === 1008 || code === 1009 || code >= 4500;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** Events as they come, `{seq, t_ms, event}`; throws when the server will not play, or the session was rewritten. */
export async function* replay(url, parameters = {}) {
  let place = {}; // where to go on after the connection was lost
  for (let tries = 0; ; tries += 1) {
    const address = new URL(url);
    const asked = { batch: 65536, ...parameters, ...place };
    if ("epoch" in place) delete asked.start_ms;
    address.search = new URLSearchParams(asked).toString();
    const connection = messages(new WebSocket(address, "scrollcast.v1"));
    let refusal = null;
    let step;
    try {
      while (!(step = await connection.next()).done) {
        const message = step.value;
        if (message.type === "hello") {
          if (place.epoch && message.resume !== "continued") throw new Error("the session was rewritten");
          place = { epoch: message.epoch, start_seq: message.state.seq };
          tries = 0;
        } else if (message.type === "event" || message.type === "events") {
          for (const { seq, t_ms, event } of message.events ?? [message]) {
            place.start_seq = seq + 1;
            yield { seq, t_ms, event };
          }
        } else if (message.code === "archive_rewritten") {
          throw new Error("the session was rewritten");
        } else if (message.type === "error") {
          refusal = message;
        }
      }
    } finally {
      await connection.return(); // whoever leaves the loop hangs up
    }
    const code = step.value;
    if (code === 1000) return;
    if (FINAL(code)) throw new Error(refusal?.message ?? `closed with ${code}`);
    await wait(refusal?.retry_after_ms ?? Math.min(10_000, 250 * 2 ** tries) * (0.5 + Math.random() / 2));
  }
}

/** The messages of one connection; in the end its close code. */
async function* messages(socket) {
  const queue = [];
  let code = null;
  let wake = () => {};
  socket.onmessage = ({ data }) => (queue.push(JSON.parse(data)), wake());
  socket.onclose = (event) => ((code = event.code), wake());
  try {
    while (queue.length > 0 || code === null) {
      if (queue.length === 0) await new Promise((done) => (wake = done));
      while (queue.length > 0) yield queue.shift();
    }
    return code;
  } finally {
    socket.close();
  }
}
