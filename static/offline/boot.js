/**
 * The first script of an exported file: unpacks the page's modules, names them, and starts the player. It stands in the
 * file as it is here, and is the only script that the file's policy lets run by itself.
 *
 * The one place besides dom.js that makes an element: the import map, of names and addresses that are made here.
 */
(async () => {
  const own = document.currentScript;

  /** @param {string} name @returns {Promise<string>} the text that a block of the file holds */
  async function read(name) {
    const packed = atob(document.querySelector(`script[data-block="${name}"]`)?.textContent ?? '');
    const bytes = new Uint8Array(packed.length);
    for (let at = 0; at < packed.length; at++) bytes[at] = packed.charCodeAt(at);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
  }

  try {
    /** @type {Record<string, string>} */
    const imports = {};
    for (const [name, source] of Object.entries(JSON.parse(await read('modules')))) {
      imports[name] = URL.createObjectURL(new Blob([String(source)], { type: 'text/javascript' }));
    }
    const map = document.createElement('script');
    map.type = 'importmap';
    map.nonce = own?.nonce ?? '';
    map.textContent = JSON.stringify({ imports });
    document.head.append(map);
    const entry = 'scrollcast/offline/main.js';
    const { start } = await import(entry); // eslint-disable-line no-unsanitized/method -- a name of our own, which only the import map knows
    await start(read);
  } catch (error) {
    const app = document.querySelector('#app');
    if (app) app.textContent = 'This file cannot be played in this browser, which may be too old for it, or the file is damaged.';
    throw error;
  }
})();
