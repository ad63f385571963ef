/**
 * Who goes on speaking: an assistant's run of messages is one voice, named once, at its first message.
 *
 * Classes tell it, and not the style sheet's `+`: for such a rule a browser finds the styles of all messages anew
 * whenever one comes or goes.
 */

/**
 * Tells a message, and those after it whose look depends on it, what they follow. To be called for each that was put
 * in, and for the one behind those that were taken out.
 *
 * @param {Element | null} node  null where there is none
 */
export function joinVoices(node) {
  let left = 3; // a message and, over what is noted beside it, the next one
  for (let each = node; each && left > 0; each = each.nextElementSibling, left -= 1) join(each);
}

/** @param {Element} node */
function join(node) {
  const voice = voiceOf(node);
  if (voice === null) return;
  const before = node.previousElementSibling;
  const spoke = before?.classList.contains('msg-meta') ? before.previousElementSibling : before;
  node.classList.toggle('answers', Boolean(before?.matches('.msg-person, .msg-system')));
  node.classList.toggle('goes-on', !isLabelled(node) && spoke !== null && spoke !== undefined && voiceOf(spoke) === voice);
}

/** The assistant, or which of its subagents; `null` for all else. @param {Element} node */
function voiceOf({ classList }) {
  if (!classList.contains('msg-assistant')) return null;
  return classList.contains('is-sidechain') ? [...classList].find((name) => name.startsWith('lane-')) ?? '' : '';
}

/** Whether its head says more than who speaks. @param {Element} node */
function isLabelled({ classList }) {
  return classList.contains('is-abandoned') || classList.contains('is-inherited');
}
