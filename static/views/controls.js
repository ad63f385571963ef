/**
 * The dock: what one presses, and what the clock says.
 *
 * @import { PlayerStore, ReplayState } from '../player-store.js'
 * @import { Pace, Settings } from '../settings.js'
 * @import { Timeline } from './timeline.js'
 */

import { clear, el, icon, setAttribute } from '../dom.js';
import { clock, oneLine, span } from '../format.js';
import { PACES, SPEEDS } from '../settings.js';
import { countTurns, turnBefore } from '../turns.js';

/** A silence with less than this left is over before one has read that it is one. */
const TOLD_WAIT_MS = 1_200;

export class Controls {
  node;
  #store;
  #timeline;
  #play;
  #position;
  #duration;
  #left;
  #now;
  #speed;
  #pace;
  #buttons;
  #jumps;
  #more;
  #playShows = '';
  #nowShows = '';
  #live;
  #liveShows = '';

  /**
   * @param {PlayerStore} store
   * @param {Settings} settings
   * @param {Timeline} timeline
   * @param {HTMLElement} turnsButton
   */
  constructor(store, settings, timeline, turnsButton) {
    this.#store = store;
    this.#timeline = timeline;
    const send = store.dispatch.bind(store);
    this.#play = el('button', { class: 'play', attrs: { type: 'button' }, on: { click: () => send({ type: 'toggle' }) } });
    this.#buttons = [
      button('turn-back', 'Previous turn', '[', () => send({ type: 'previous', kind: 'turn' })),
      button('step-back', 'One event back', ',', () => send({ type: 'step', by: -1, unit: 'event' })),
      this.#play,
      button('step-forward', 'One event forward', '.', () => send({ type: 'step', by: 1, unit: 'event' })),
      button('turn-forward', 'Next turn', ']', () => send({ type: 'next', kind: 'turn' })),
    ];
    this.#jumps = [this.#jump('tool', 'tool call', 't'), this.#jump('error', 'error', 'e')];
    this.#more = el('button', {
      class: 'icon-button jumps-button', attrs: { type: 'button', 'aria-label': 'Tool calls and errors', 'aria-controls': 'jump-tool jump-error', 'aria-expanded': 'false' },
      on: { click: () => this.#toggleJumps() },
    }, icon('dots'));
    this.#position = el('span', { class: 'clock-position' });
    this.#duration = el('span', { class: 'clock-duration' });
    this.#left = el('span', { class: 'time-left' });
    this.#live = el('button', { class: 'live-button', hidden: true, attrs: { type: 'button' }, on: { click: () => send({ type: 'go-live' }) } });
    this.#now = el('div', { class: 'now' });
    this.#speed = choice('Speed', SPEEDS.map((each) => [String(each), each === 'max' ? 'Max' : `${each}×`]), (value) => {
      const speed = value === 'max' ? 'max' : Number(value);
      settings.speed = speed;
      send({ type: 'speed', speed });
    });
    this.#pace = choice('Pace', PACES.map((each) => [String(each), paceWords(each)]), (value) => {
      const pace = PACES.find((each) => String(each) === value) ?? null;
      settings.pace = pace;
      send({ type: 'pace', pace });
    });
    this.node = el('footer', { class: 'dock', attrs: { 'aria-label': 'Playback' } },
      timeline.node,
      el('div', { class: 'dock-row' },
        el('div', { class: 'dock-side dock-clock' },
          el('div', { class: 'clock', title: 'Recorded time' }, this.#position, el('span', { class: 'clock-of', text: ' / ' }), this.#duration),
          this.#live, this.#left),
        el('div', { class: 'transport', attrs: { role: 'group', 'aria-label': 'Transport' } }, this.#jumps[0]?.node, ...this.#buttons, this.#jumps[1]?.node, this.#more),
        el('div', { class: 'dock-side dock-options' }, this.#pace.label, this.#speed.label, turnsButton)),
      this.#now);
    this.#disable(true, () => true);
  }

  /** @param {ReplayState} state */
  update(state) {
    const { status, phase, mode, paced, speed, idle, durationMs, connection, timeline } = state;
    const playing = status === 'playing' || status === 'live';
    this.#showLive(state);
    this.#showPlay(this.#store.atEnd() ? 'replay' : playing ? 'pause' : 'play');
    say(this.#duration, clock(durationMs));
    this.#speed.show(mode === 'fast' ? 'max' : String(speed), mode === 'fast' ? 'Max' : `${speed}×`);
    const pace = paced === 'reading' ? paced : idle;
    this.#pace.show(String(pace), paceWords(pace));
    const off = phase !== 'ready' || connection.status !== 'open';
    this.#disable(off, (kind) => timeline !== null && !timeline.markers.some((each) => each.kind === kind));
    this.node.classList.toggle('is-off', phase !== 'ready');
    this.tick();
  }

  /**
   * @param {boolean} off  as long as there is nothing to command
   * @param {(kind: 'tool' | 'error') => boolean} hasNone
   */
  #disable(off, hasNone) {
    for (const each of this.#buttons) each.disabled = off;
    for (const { kind, buttons } of this.#jumps) for (const each of buttons) each.disabled = off || hasNone(kind);
  }

  /** Moves what moves with time. */
  tick() {
    say(this.#position, clock(this.#timeline.dragMs ?? this.#store.position()));
    say(this.#left, this.#timeLeft());
    this.#showNow();
  }

  /**
   * A pair of buttons, to the one before and to the next.
   *
   * @param {'tool' | 'error'} kind
   * @param {string} words
   * @param {string} key
   */
  #jump(kind, words, key) {
    const buttons = [
      button('back', `Previous ${words}`, `Shift+${key}`, () => this.#store.dispatch({ type: 'previous', kind })),
      button('chevron', `Next ${words}`, key, () => this.#store.dispatch({ type: 'next', kind })),
    ];
    const node = el('div', { class: 'jump', attrs: { id: `jump-${kind}`, role: 'group', 'aria-label': `By ${words}` } },
      buttons[0], el('span', { class: 'jump-kind' }, icon(kind === 'error' ? 'warning' : kind), el('span', { class: 'jump-words', text: `${words}s` })), buttons[1]);
    return { kind, buttons, node };
  }

  /** Where there is no room for them, they are there when asked for. */
  #toggleJumps() {
    const open = this.node.classList.toggle('jumps-open');
    setAttribute(this.#more, 'aria-expanded', open);
  }

  #timeLeft() {
    const { mode, speed, phase } = this.#store.getState();
    if (phase !== 'ready' || this.#store.atEnd() || this.#store.isLive()) return '';
    if (mode === 'fast') return 'as fast as it loads';
    const left = this.#store.timeLeft();
    const at = speed === 1 ? '' : ` at ${speed}×`;
    return left === null ? `as fast as one reads${at}` : `${span(Math.ceil(left / 1000) * 1000)} left${at}`;
  }

  /** @param {ReplayState} state  where the session is being written, whether one is there, or the way */
  #showLive({ live, phase }) {
    const shows = !live || phase !== 'ready' ? '' : this.#store.isLive() ? 'Live' : 'Go to live';
    if (shows === this.#liveShows) return;
    this.#liveShows = shows;
    const there = shows === 'Live';
    this.#live.hidden = shows === '';
    this.#live.classList.toggle('is-there', there);
    this.#live.title = there ? 'What is shown is what is being written' : 'Go to what is being written now (End)';
    setAttribute(this.#live, 'aria-disabled', there);
    clear(this.#live);
    this.#live.append(el('span', { class: 'live-dot', attrs: { 'aria-hidden': 'true' } }), shows);
  }

  /** @param {'play' | 'pause' | 'replay'} what */
  #showPlay(what) {
    if (what === this.#playShows) return;
    this.#playShows = what;
    const words = { play: 'Play', pause: 'Pause', replay: 'Replay from the start' }[what];
    clear(this.#play);
    this.#play.append(icon(what));
    setAttribute(this.#play, 'aria-label', words);
    setAttribute(this.#play, 'aria-keyshortcuts', 'Space k');
    this.#play.title = `${words} (Space)`;
  }

  /** What is happening, in one line. */
  #showNow() {
    const { status, cursor, timeline, phase } = this.#store.getState();
    const wait = this.#store.waitLeft();
    const turn = turnBefore(timeline, cursor);
    const where = turn ? `Turn ${turn.number} of ${countTurns(timeline)}` : '';
    const waiting = wait > TOLD_WAIT_MS ? `idle · next in ${span(Math.ceil(wait / 1000) * 1000)}` : '';
    const state = phase !== 'ready' ? '' : waiting || (this.#store.atEnd() ? 'ended' : status === 'paused' ? 'paused' : '');
    const shows = `${where}|${turn?.label}|${state}`;
    if (shows === this.#nowShows) return;
    this.#nowShows = shows;
    if (turn?.label === null) this.#store.dispatch({ type: 'load-turns', from: turn.number - 1, to: turn.number });
    clear(this.#now);
    this.#now.append(
      el('span', { class: 'now-state' }, state ? el('span', { class: waiting ? 'chip idle' : 'chip', text: state }) : null),
      el('span', { class: 'now-words' },
        turn && el('span', { class: 'now-turn', text: where }),
        turn && el('span', { class: 'now-label', text: oneLine(turn.label ?? '', 140) })));
  }
}

/** @param {Pace} pace */
export function paceWords(pace) {
  return pace === null ? 'Recorded' : pace === 'reading' ? 'Reading' : `Max ${pace} s`;
}

/**
 * @param {HTMLElement} node
 * @param {string} words
 */
function say(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

/**
 * @param {import('../icons.js').IconName} name
 * @param {string} words
 * @param {string} key
 * @param {() => void} act
 */
function button(name, words, key, act) {
  return el('button', {
    class: 'icon-button', title: `${words} (${key})`, attrs: { type: 'button', 'aria-label': words, 'aria-keyshortcuts': key }, on: { click: act },
  }, icon(name));
}

/**
 * A labelled menu whose value is what the server says; one that is not among the choices is added to them.
 *
 * @param {string} words
 * @param {string[][]} choices  values, and what is shown for each
 * @param {(value: string) => void} choose
 */
function choice(words, choices, choose) {
  const option = (/** @type {string} */ value, /** @type {string} */ text) => el('option', { text, attrs: { value } });
  const select = el('select', { attrs: { 'aria-label': words }, on: { change: () => choose(select.value) } }, ...choices.map(([value = '', text = '']) => option(value, text)));
  const label = el('label', { class: 'choice' }, el('span', { class: 'choice-words', text: words }), select);
  const show = (/** @type {string} */ value, /** @type {string} */ text) => {
    if (![...select.options].some((each) => each.value === value)) select.append(option(value, text));
    if (select.value !== value) select.value = value;
  };
  return { label, show };
}
