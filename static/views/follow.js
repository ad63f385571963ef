/**
 * Keeps the newest of a growing column in view, until the reader wants to read.
 *
 * Any scroll up ends following; coming back to the end takes it up again. While following, the column only ever moves
 * on, never back, so a reader who is a little further down is not pulled away.
 */

/** This near to the end counts as being there. */
const END_PX = 40;

/** Share of the way covered in a frame, when motion is smooth. */
const EASE = 0.22;

/** Where the top of a message that is taller than the view comes to lie, as a share of the view. */
const HEADROOM = 0.08;

export class Follower {
  #scroller;
  #onChange;
  #following = true;
  /** Whether the reader's last move was to the end. */
  #cameBack = false;
  /** Where we left the scroller: anything else is the reader's doing. */
  #placed = 0;
  /** @type {number | null} */
  #target = null;

  /**
   * @param {HTMLElement} scroller
   * @param {() => void} onChange  the reader took over, or came back, or just moved
   */
  constructor(scroller, onChange) {
    this.#scroller = scroller;
    this.#onChange = onChange;
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    scroller.addEventListener('wheel', (event) => this.#wheeled(event), { passive: true });
  }

  get following() {
    return this.#following;
  }

  get cameBack() {
    return this.#cameBack;
  }

  get atEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    return scrollHeight - clientHeight - scrollTop < END_PX;
  }

  get atStart() {
    return this.#scroller.scrollTop < this.#scroller.clientHeight;
  }

  follow() {
    this.#following = true;
    this.#onChange();
  }

  release() {
    this.#target = null;
    this.#cameBack = false;
    if (!this.#following) return;
    this.#following = false;
    this.#onChange();
  }

  /**
   * Brings the end into view, or the beginning of its last message where that is taller than the view.
   *
   * @param {Element | null} newest
   * @param {'smooth' | 'instant' | 'growth'} motion  `growth` is instant, and only ever onwards
   */
  reveal(newest, motion) {
    if (!this.#following) return;
    const { scrollHeight, clientHeight, scrollTop } = this.#scroller;
    const end = scrollHeight - clientHeight;
    const top = newest ? this.#topOf(newest) - HEADROOM * clientHeight : end;
    const target = Math.max(0, Math.min(end, top));
    if (motion === 'instant') {
      this.#target = null;
      this.#place(target);
    } else if (motion === 'growth' && this.#target === null) {
      if (target > scrollTop + 1) this.#place(target);
    } else if (target > scrollTop + 1) {
      const idle = this.#target === null;
      this.#target = target;
      if (idle) requestAnimationFrame(() => this.#glide());
    }
  }

  /**
   * Changes what is above and below without moving what is in view. The layout is asked for once, after all of it: it
   * costs the most.
   *
   * @param {HTMLElement} column  whose children some are put before, or taken out
   * @param {() => void} change
   */
  keepInPlace(column, change) {
    const { scrollTop } = this.#scroller;
    const top = this.#scroller.getBoundingClientRect().top;
    const before = [...column.children].map((child) => ({ child, box: child.getBoundingClientRect() })).filter(({ box }) => box.bottom > top);
    change();
    const stayed = before.find(({ child }) => child.isConnected);
    const moved = stayed ? stayed.child.getBoundingClientRect().top - stayed.box.top + this.#scroller.scrollTop - scrollTop : 0;
    if (moved === 0 && this.#scroller.scrollTop === scrollTop) return;
    this.#place(scrollTop + moved);
    if (this.#target !== null) this.#target += moved;
  }

  /**
   * Moves words into view that are out of it, sideways too where they stand in a block that scrolls by itself.
   *
   * @param {Range} range
   */
  bring(range) {
    const block = range.startContainer.parentElement?.closest('.block-scroll');
    const [inBlock, aside] = [block?.getBoundingClientRect(), range.getBoundingClientRect()];
    if (block && inBlock && (aside.left < inBlock.left || aside.right > inBlock.right)) block.scrollLeft += aside.left - inBlock.left - inBlock.width / 3;
    const [view, words] = [this.#scroller.getBoundingClientRect(), range.getBoundingClientRect()];
    if (words.top >= view.top && words.bottom <= view.bottom) return;
    this.#target = null;
    this.#place(this.#scroller.scrollTop + words.top - view.top - view.height / 3);
  }

  #glide() {
    if (this.#target === null) return;
    const { scrollTop, clientHeight } = this.#scroller;
    const left = this.#target - scrollTop;
    if (left < 1.5 || left > 3 * clientHeight) {
      this.#place(this.#target);
      this.#target = null;
      return;
    }
    this.#place(scrollTop + Math.max(1, left * EASE));
    requestAnimationFrame(() => this.#glide());
  }

  /** @param {number} top */
  #place(top) {
    this.#scroller.scrollTop = top;
    this.#placed = this.#scroller.scrollTop;
  }

  /** @param {Element} node */
  #topOf(node) {
    const box = this.#scroller.getBoundingClientRect();
    return node.getBoundingClientRect().top - box.top + this.#scroller.scrollTop;
  }

  /** @param {WheelEvent} event */
  #wheeled(event) {
    const { scrollHeight, clientHeight } = this.#scroller;
    if (event.deltaY < 0 && scrollHeight > clientHeight) this.release();
  }

  #scrolled() {
    const { scrollTop } = this.#scroller;
    const moved = scrollTop - this.#placed;
    if (Math.abs(moved) <= 1) return;
    this.#placed = scrollTop;
    if (moved < 0 && !this.atEnd) this.release();
    else this.#cameBack = this.atEnd;
    this.#onChange();
  }
}
