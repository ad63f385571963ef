/**
 * The wire contract (`docs/protocol.md`, version 1) as types, and the one place where text becomes messages.
 *
 * What a newer server adds is kept: unknown fields stay on their objects, a message of an unknown type comes out of
 * `parse` as it went in, and a part of an unknown type is the renderers' business.
 */

/** The WebSocket subprotocol that this page speaks. */
export const SUBPROTOCOL = 'scrollcast.v1';

// ------------------------------------------------------------------------------------------------------- content

/**
 * @typedef {{bytes: number, href: string}} Truncated  a part cut by `preview`: its whole size, and where the whole lies
 * @typedef {{type: 'text', text: string, truncated?: Truncated}} TextPart
 * @typedef {{type: 'thinking', text: string, truncated?: Truncated}} ThinkingPart
 * @typedef {{type: 'code', language?: string | null, text: string, truncated?: Truncated}} CodePart
 * @typedef {{type: 'tool_call', call_id: string | null, name: string, kind?: string | null, title?: string | null, input?: unknown, truncated?: Truncated}} ToolCallPart
 * @typedef {{type: 'tool_result', call_id: string | null, output: Part[], is_error: boolean, truncated?: Truncated}} ToolResultPart
 * @typedef {{type: 'image', mime_type: string, data?: string | null, uri?: string | null, truncated?: Truncated}} ImagePart
 * @typedef {{type: 'resource', uri: string, mime_type?: string | null, text?: string | null, truncated?: Truncated}} ResourcePart
 * @typedef {{content: string, status?: string | null, priority?: string | null}} PlanEntry
 * @typedef {{type: 'plan', entries: PlanEntry[], truncated?: Truncated}} PlanPart
 * @typedef {{type: 'unknown', raw: unknown, truncated?: Truncated}} UnknownPart
 * @typedef {TextPart | ThinkingPart | CodePart | ToolCallPart | ToolResultPart | ImagePart | ResourcePart | PlanPart | UnknownPart} Part
 */

/**
 * @typedef {Object} Message
 * @property {string} id
 * @property {string} session_id
 * @property {'user' | 'assistant'} role
 * @property {string} created_at
 * @property {Part[]} content
 * @property {string} status
 * @property {Record<string, unknown> | null} metadata
 *
 * @typedef {Object} MetaEvent
 * @property {string} id
 * @property {string} session_id
 * @property {string} kind
 * @property {string} created_at
 * @property {unknown} payload
 *
 * @typedef {{type: 'message_completed', connector_id: string, message: Message}} MessageCompleted
 * @typedef {{type: 'meta_event', connector_id: string, meta_event: MetaEvent}} MetaEventHappened
 *
 * @typedef {{connector_uid: string | null, connector_id: string, scroll_id: string}} Routing
 * @typedef {{type: 'replay' | 'live' | 'archive', replay_id?: string}} Origin
 */

// ----------------------------------------------------------------------------------------------- server to client

/**
 * @typedef {Object} Envelope  one event, whether it came alone, in a batch or from the archive
 * @property {'event'} type
 * @property {number} seq
 * @property {number} t_ms  recorded time
 * @property {number} [gen]  absent from an event that was fetched over HTTP
 * @property {Routing} [routing]
 * @property {Origin} [origin]
 * @property {MessageCompleted | MetaEventHappened} event
 *
 * @typedef {Object} EventBatch
 * @property {'events'} type
 * @property {number} gen
 * @property {Routing} routing
 * @property {Origin} origin
 * @property {{seq: number, t_ms: number, event: MessageCompleted | MetaEventHappened}[]} events
 *
 * @typedef {'playing' | 'paused' | 'live' | 'ended'} Status
 * @typedef {'fast' | 'realtime' | 'reading'} Mode
 *
 * @typedef {Object} PlayerState  the part of `state` that `hello` carries too
 * @property {Status} status
 * @property {number} seq  the next event to be sent
 * @property {number} t_ms
 * @property {number} gen
 * @property {Mode} mode
 * @property {number} speed
 * @property {number | null} idle  seconds; `null` is no cap
 * @property {boolean} [did_seek]
 * @property {number} [late_ms]
 * @property {string} [request_id]
 *
 * @typedef {PlayerState & {type: 'state'}} State
 *
 * @typedef {{first_seq: number, next_seq: number, duration_ms: number, live: boolean, complete?: boolean}} Range  `complete`: false while there may be more than was read so far
 *
 * @typedef {Object} Hello
 * @property {'hello'} type
 * @property {string} protocol
 * @property {{name: string, version: string}} server
 * @property {string} replay_id
 * @property {string} epoch
 * @property {'none' | 'continued' | 'reset'} resume
 * @property {SessionSummary} session
 * @property {Range} range
 * @property {string[]} capabilities
 * @property {{max_command_bytes: number, heartbeat_ms: number}} limits
 * @property {string} server_time
 * @property {PlayerState} state
 *
 * @typedef {{type: 'skipped', from_ms: number, to_ms: number}} Skipped
 * @typedef {{type: 'caught_up', seq: number}} CaughtUp
 * @typedef {{type: 'heartbeat', seq: number, t_ms: number, status: Status, server_time: string}} Heartbeat
 * @typedef {{type: 'notice', level: 'info' | 'warning', code: string, message: string, count?: number, lines?: number[], epoch?: string, range?: Range}} Notice
 * @typedef {{events_sent: number, failures: number, duration_ms: number}} ReplayReport
 * @typedef {{type: 'end', reason: 'completed' | 'truncated', final_seq: number | null, report: ReplayReport}} End
 * @typedef {{type: 'error', code: string, message: string, retryable: boolean, request_id?: string, retry_after_ms?: number}} ErrorMessage
 *
 * @typedef {Hello | Envelope | State | Skipped | CaughtUp | Heartbeat | Notice | End | ErrorMessage} ServerMessage
 */

// ----------------------------------------------------------------------------------------------- client to server

/**
 * @typedef {{t_ms: number} | {seq: number} | {event_id: string}} SeekTarget
 * @typedef {'event' | 'turn' | 'tool' | 'error'} StepUnit
 *
 * @typedef {Object} Control  the wished-for state: what is left out stays as it is
 * @property {boolean} [play]
 * @property {SeekTarget} [seek]
 * @property {Mode} [mode]
 * @property {number} [speed]
 * @property {number | null} [idle]
 * @property {{by: number, unit: StepUnit}} [step]
 */

// ----------------------------------------------------------------------------------------------------------- HTTP

/**
 * @typedef {'turn' | 'tool' | 'error' | 'compaction' | 'subagent' | 'plan'} MarkerKind
 * @typedef {{seq: number, t_ms: number, kind: MarkerKind, label: string}} Marker
 * @typedef {{start_ms: number, end_ms: number}} Gap
 * @typedef {{bucket_ms: number, counts: number[]}} Density  how many events there are in each stretch of that length
 * @typedef {{every: number, ms: number[]}} Reading  how long it takes to read the events, so many together
 * @typedef {{epoch: string, count: number, duration_ms: number, markers: Marker[], left_out?: (MarkerKind | 'gap')[], gaps: Gap[], density: Density, reading?: Reading}} TimelineAnswer
 *   `left_out`: the kinds of which not all are listed
 * @typedef {{epoch: string, turns: {number: number, seq: number, stop_seq: number, t_ms: number, label: string, spent: import('./usage.js').Spent | null}[], total: number}} TurnPage
 *   `spent`: `null` where it was too much to look at for one page
 *
 * @typedef {Object} SessionSummary
 * @property {string} scroll_id
 * @property {string | null} title
 * @property {string | null} agent
 * @property {string | null} model
 * @property {string | null} project
 * @property {string | null} kind
 * @property {string | null} native_session_id
 * @property {string | null} connector_uid
 * @property {string | null} parent_scroll_id
 * @property {string | null} [parent_call_id]  the tool call of the parent that started it
 * @property {string | null} created_at
 * @property {string | null} updated_at
 * @property {number | null} count
 * @property {number | null} duration_ms
 * @property {'recorded' | 'synthetic'} timing
 * @property {boolean} live
 * @property {string | null} error  why the session cannot be played, in words
 * @property {boolean} [has_errors]  something went wrong in it: a tool call that failed
 * @property {boolean} [source_gone]  its file is no longer there
 * @property {Hit[]} [hits]  what was found in it, where something was looked for; may be empty
 * @property {Record<string, unknown>} [metadata]
 *
 * @typedef {{text: string, match?: boolean}} SnippetPiece
 * @typedef {{seq: number, t_ms: number, kind: string, snippet: SnippetPiece[]}} Hit  `kind`: `text`, `thinking`,
 *   `tool_call`, `tool_result`, and whatever a newer server finds things in
 *
 * @typedef {{looked_at: number, total: number | null, complete: boolean, places?: string[]}} Progress  of the
 *   catalogue, while it is being built; `places` is where it looks
 * @typedef {{sessions: SessionSummary[], next_cursor: string | null, total: number, progress?: Progress, searched?: {sessions: number, total: number}}} SessionPage
 * @typedef {{value: string, count: number}} Facet
 * @typedef {{agents: Facet[], projects: Facet[], models: Facet[]}} Facets
 * @typedef {{path: string, size: number, why: string, row_types: string[]}} UnrecognisedFile
 * @typedef {{files: UnrecognisedFile[], total: number}} Unrecognised
 * @typedef {{events: Envelope[], next_seq: number | null}} EventPage
 */

// ---------------------------------------------------------------------------------------------------------- parse

/** What came over the socket is no message of this protocol. */
export class ProtocolError extends Error {
  name = 'ProtocolError';
}

/**
 * The messages in one text frame: one, or as many events as a batch holds, each with what the batch says once.
 *
 * @param {string} text
 * @return {ServerMessage[]}
 */
export function parse(text) {
  const message = decode(text);
  return message.type === 'events' ? expand(/** @type { EventBatch } */ (message)) : [/** @type { ServerMessage } */ (message)];
}

/**
 * @param {string} text
 * @return {{type: string}}
 */
function decode(text) {
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError('The server sent something that is not JSON.');
  }
  if (typeof value !== 'object' || value === null || !('type' in value) || typeof value.type !== 'string') {
    throw new ProtocolError('The server sent a message without a type.');
  }
  return /** @type { { type: string } } */ (value);
}

/**
 * @param {EventBatch} batch
 * @return {Envelope[]}
 */
function expand(batch) {
  const { gen, routing, origin } = batch;
  if (!Array.isArray(batch.events)) throw new ProtocolError('The server sent a batch without events.');
  return batch.events.map((item) => ({ ...item, type: 'event', gen, routing, origin }));
}
