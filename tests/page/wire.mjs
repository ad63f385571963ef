/** A server's side of the socket, for tests: what it would say, and what it was told. */

/** @typedef {import('../../static/protocol.js').Envelope} Envelope */

/** @param {number} seq @param {Partial<Envelope>} [more] */
export function event(seq, more = {}) {
  return {
    type: 'event', seq, t_ms: seq * 1000, gen: 0,
    event: {
      type: 'message_completed', connector_id: '',
      message: { id: `m${seq}`, session_id: 's', role: 'assistant', created_at: '', content: [], status: 'completed', metadata: null },
    },
    ...more,
  };
}

/** @param {number} seq @param {object} [more] */
export function state(seq, more = {}) {
  return { type: 'state', status: 'playing', seq, t_ms: seq * 1000, gen: 0, mode: 'realtime', speed: 1, idle: null, ...more };
}

/** @param {number} seq @param {{ state?: object, [field: string]: unknown }} [more]  of the hello itself, `state` being its state */
export function hello(seq, { state: inner = {}, ...more } = {}) {
  return {
    type: 'hello', protocol: 'scrollcast.v1', server: { name: 'test', version: '0' }, replay_id: 'r', epoch: 'e1', resume: 'none',
    session: { scroll_id: 's', title: 'A session' }, range: { first_seq: 0, next_seq: 100, duration_ms: 99_000, live: false },
    capabilities: [], limits: { max_command_bytes: 65_536, heartbeat_ms: 15_000 }, server_time: '', state: state(seq, inner), ...more,
  };
}

/** A WebSocket that a test speaks through. */
export class FakeSocket {
  /** @type {((event: any) => void) | null} */ onopen = null;
  /** @type {((event: any) => void) | null} */ onmessage = null;
  /** @type {((event: any) => void) | null} */ onclose = null;
  /** @type {((event: any) => void) | null} */ onerror = null;
  /** @type {any[]} */ sent = [];
  closed = false;

  /** @param {string} path @param {string} protocol */
  constructor(path, protocol) {
    this.url = new URL(path, 'ws://127.0.0.1');
    this.protocol = protocol;
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }

  /** @param {...object} messages */
  says(...messages) {
    for (const message of messages) this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** @param {number} code */
  dies(code) {
    this.onclose?.({ code });
  }

  /** @param {string} name */
  asked(name) {
    return this.url.searchParams.get(name);
  }
}
