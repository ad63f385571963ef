/**
 * `<scrollcast-player session="…">`: a session in any page (`docs/embedding.md`).
 *
 * The element is a frame of the server's own player, so that nothing of a session ever comes into the page around it,
 * and a port to that frame. It stands by itself: a page imports this one file, from the server that plays.
 *
 *     <script type="module" src="http://127.0.0.1:8420/scrollcast-player.js"></script>
 *     <scrollcast-player session="5ca1ab1e-0f1a-4b12-9c05-7ea5e70fba11" speed="4" autoplay></scrollcast-player>
 */

/** The server that this file came from. */
const HOME = new URL('.', import.meta.url).href;

/** Attributes that say which session, and how it begins: the frame is loaded anew when one of them changes. */
const LOADING = ['src', 'session', 'server', 'theme', 't', 'autoplay'];

/** Attributes that say how it goes on. */
const PLAYING = ['speed', 'idle', 'pace'];

/**
 * @typedef {Object} Facts  what the frame tells
 * @property {'loading' | 'playing' | 'paused' | 'ended' | 'failed'} state
 * @property {number} time  seconds
 * @property {number} duration  seconds
 * @property {number | 'max'} speed
 * @property {number | 'reading' | null} pace  the longest silence in seconds, `null` for as they were
 * @property {boolean} live
 * @property {string} title
 * @property {string | null} error
 */

/** @type {Facts} */
const NOTHING = { state: 'loading', time: 0, duration: 0, speed: 1, pace: null, live: false, title: '', error: null };

/**
 * The address of a frame.
 *
 * @param {(name: string) => string | null} attribute
 * @param {string} home  where the server is that is not named
 * @param {string} page  the address of the page around it
 * @returns {string | null} `null` where no session is named, or an address is none that a frame may have
 */
export function frameAddress(attribute, home, page) {
  const url = namedAddress(attribute, home, page);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return null;
  // A link to a moment may be given as it was copied.
  const moment = new URLSearchParams(url.hash.slice(1));
  const share = moment.get('share');
  moment.delete('share');
  for (const [name, value] of moment) url.searchParams.set(name, value);
  url.hash = share ? `share=${share}` : ''; // which no server is sent
  for (const name of ['t', 'speed', 'idle', 'pace', 'theme']) {
    const value = attribute(name);
    if (value !== null) url.searchParams.set(name, value);
  }
  const autoplay = attribute('autoplay');
  if (autoplay !== null && autoplay !== 'false') url.searchParams.set('autoplay', '1');
  return url.href;
}

/**
 * @param {(name: string) => string | null} attribute
 * @param {string} home
 * @param {string} page
 */
function namedAddress(attribute, home, page) {
  const [src, session] = [attribute('src'), attribute('session')];
  try {
    if (src) {
      const url = new URL(src, page);
      url.pathname = url.pathname.replace(/\/sessions\/([^/]+)\/?$/, '/embed/$1');
      return url;
    }
    if (!session) return null;
    const server = new URL(attribute('server') ?? home, page).href;
    return new URL(`${server.replace(/\/?$/, '/')}embed/${encodeURIComponent(session)}`);
  } catch {
    return null; // no address
  }
}

/** @param {string | null} attribute  seconds, or `off` */
function idleOf(attribute) {
  return attribute === null || attribute === 'off' ? null : Number(attribute);
}

/** Where there is no browser, the functions above can still be used. */
const Base = globalThis.HTMLElement ?? class {};

export class ScrollcastPlayer extends Base {
  static observedAttributes = [...LOADING, ...PLAYING];

  /** @type {HTMLIFrameElement | null} */
  #frame = null;
  /** @type {MessagePort | null} */
  #port = null;
  #facts = NOTHING;
  /** Commands that were given before the frame could take any. @type {object[]} */
  #waiting = [];

  connectedCallback() {
    this.#load();
  }

  disconnectedCallback() {
    this.#unload();
  }

  /**
   * @param {string} name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(name, before, after) {
    if (before === after || !this.isConnected) return;
    if (LOADING.includes(name)) this.#load();
    else if (name === 'speed') this.#send('speed', after === 'max' ? 'max' : Number(after ?? 1));
    else this.#send('pace', this.getAttribute('pace') === 'reading' ? 'reading' : idleOf(this.getAttribute('idle')));
  }

  play() {
    this.#send('play');
  }

  pause() {
    this.#send('pause');
  }

  /** @param {number} seconds  recorded time */
  seek(seconds) {
    this.#send('seek', Number(seconds));
  }

  nextTurn() {
    this.#send('next-turn');
  }

  previousTurn() {
    this.#send('previous-turn');
  }

  /** Recorded time in seconds. */
  get currentTime() {
    return this.#facts.time;
  }

  set currentTime(seconds) {
    this.seek(seconds);
  }

  get duration() {
    return this.#facts.duration;
  }

  get paused() {
    return this.#facts.state !== 'playing';
  }

  get ended() {
    return this.#facts.state === 'ended';
  }

  /** A multiplier, or `max`. @returns {number | 'max'} */
  get playbackRate() {
    return this.#facts.speed;
  }

  set playbackRate(speed) {
    this.#send('speed', speed);
  }

  #load() {
    this.#unload();
    const address = frameAddress((name) => this.getAttribute(name), HOME, document.baseURI);
    if (address === null) return;
    const frame = document.createElement('iframe');
    frame.title = this.title || 'Recorded session';
    frame.allow = 'fullscreen; clipboard-write';
    frame.setAttribute('part', 'frame');
    for (const [name, value] of [['display', 'block'], ['width', '100%'], ['height', '100%'], ['border', '0'], ['border-radius', 'inherit']]) frame.style.setProperty(String(name), String(value));
    frame.addEventListener('load', () => this.#connect(frame, new URL(address).origin));
    frame.src = address;
    const root = this.shadowRoot ?? this.attachShadow({ mode: 'open' });
    if (getComputedStyle(this).display === 'inline') this.style.setProperty('display', 'block');
    if (this.clientHeight === 0) this.style.setProperty('aspect-ratio', '16 / 9');
    root.replaceChildren(frame);
    this.#frame = frame;
  }

  #unload() {
    this.#port?.close();
    this.#port = null;
    this.#frame?.remove();
    this.#frame = null;
    this.#waiting = [];
    this.#facts = NOTHING;
  }

  /**
   * Only a document of the server's own gets the port.
   *
   * @param {HTMLIFrameElement} frame
   * @param {string} origin
   */
  #connect(frame, origin) {
    this.#port?.close();
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data }) => this.#hear(data);
    frame.contentWindow?.postMessage('scrollcast:connect', origin, [port2]);
  }

  /**
   * @param {string} command
   * @param {unknown} [value]
   */
  #send(command, value) {
    if (this.#facts.state !== 'loading' && this.#port) this.#port.postMessage({ command, value });
    else this.#waiting.push({ command, value });
  }

  /** @param {Facts} facts */
  #hear(facts) {
    const before = this.#facts;
    this.#facts = facts;
    if (before.state === 'loading' && facts.state !== 'loading') this.#begin(facts);
    if (facts.state !== before.state) this.#say({ playing: 'play', paused: 'pause', ended: 'ended' }[String(facts.state)]);
    if (facts.time !== before.time) this.#say('timeupdate');
    if (facts.duration !== before.duration) this.#say('durationchange');
    if (facts.speed !== before.speed) this.#say('ratechange');
  }

  /** @param {Facts} facts */
  #begin(facts) {
    if (facts.state === 'failed') {
      this.#say('error');
      return;
    }
    this.#say('ready');
    for (const each of this.#waiting.splice(0)) this.#port?.postMessage(each);
  }

  /** @param {string | undefined} type */
  #say(type) {
    if (type) this.dispatchEvent(new CustomEvent(type, { detail: { ...this.#facts } }));
  }
}

if (globalThis.customElements && !customElements.get('scrollcast-player')) customElements.define('scrollcast-player', ScrollcastPlayer);
