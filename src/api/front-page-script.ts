/**
 * The script of the front page. It shows what the API says and keeps nothing: it lists the entries, follows the events, and lists again whenever it lost
 * them. Text from the API only ever becomes text, never HTML.
 */
export const FRONT_PAGE_SCRIPT = String.raw`
'use strict';
const TOKEN = 'seekwell-token';
const SHOWN = 100;
const LIST_MS = 10000;
const RETRY_MS = 2000;
const RANGES_MS = 2000;
const byId = (id) => document.getElementById(id);
const rows = new Map();

class Problem extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

async function call(method, path, body) {
  const headers = {};
  const token = sessionStorage.getItem(TOKEN);
  if (token !== null) headers.authorization = 'Bearer ' + token;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const response = await fetch('api/v1/' + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (response.ok) return response;
  const problem = await response.json().catch(() => null);
  throw new Problem(response.status, problem === null ? 'The daemon answered ' + response.status : problem.detail + '. ' + problem.hint);
}

function say(text, bad = false) {
  byId('notice').textContent = text;
  byId('notice').classList.toggle('bad', bad);
}

function size(bytes) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit++; }
  return value.toFixed(unit === 0 || value >= 100 ? 0 : 1) + ' ' + units[unit];
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function makeRow(id) {
  const item = element('li', 'entry');
  const top = element('div', 'top');
  const name = element('a', 'name');
  const state = element('span', 'state');
  top.append(name, state);
  const where = element('div', 'where quiet');
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'bar');
  svg.setAttribute('viewBox', '0 0 2000 1');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('role', 'img');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  svg.append(path);
  const trouble = element('div', 'trouble');
  const bottom = element('div', 'bottom');
  const numbers = element('span', 'numbers quiet');
  const go = element('button');
  const remove = element('button', '', 'Remove');
  bottom.append(numbers, go, remove);
  item.append(top, where, svg, trouble, bottom);
  const row = { id, item, name, state, where, svg, path, trouble, numbers, go, remove, entry: null, asked: 0 };
  go.addEventListener('click', () => act(() => call('POST', 'entries/' + id + '/' + go.value).then((answer) => answer.json()).then(show)));
  remove.addEventListener('click', () => {
    if (!confirm('Remove ' + title(row.entry) + ' and its cached bytes?')) return;
    act(() => call('DELETE', 'entries/' + id).then(() => drop(id)));
  });
  return row;
}

function title(entry) {
  return entry.filename ?? entry.source + '/' + entry.media + '/' + entry.quality;
}

function nextAction(entry) {
  if (entry.state === 'Complete') return null;
  if (entry.state === 'Failed') return ['retry', 'Retry'];
  if (entry.pendingChunks > 0 || entry.active) return ['pause', 'Pause'];
  return ['resume', entry.state === 'Paused' ? 'Resume' : 'Fetch all'];
}

function show(entry) {
  let row = rows.get(entry.id);
  if (row === undefined) {
    row = makeRow(entry.id);
    rows.set(entry.id, row);
    byId('entries').prepend(row.item);
  }
  const before = row.entry;
  row.entry = entry;
  row.item.dataset.state = entry.state;
  row.name.textContent = title(entry);
  row.name.href = entry.streamUrl;
  row.state.textContent = entry.state;
  row.state.dataset.state = entry.state;
  row.where.textContent = entry.url;
  row.trouble.textContent = entry.error ?? (entry.lastError === null ? '' : 'Trying again: ' + entry.lastError);
  const action = nextAction(entry);
  row.go.hidden = action === null;
  if (action !== null) { row.go.value = action[0]; row.go.textContent = action[1]; row.go.setAttribute('aria-label', action[1] + ' ' + title(entry)); }
  row.remove.setAttribute('aria-label', 'Remove ' + title(entry));
  showNumbers(row);
  if (before === null || before.downloadedBytes !== entry.downloadedBytes || before.state !== entry.state) showRanges(row);
}

function showNumbers(row) {
  const { downloadedBytes, expectedTotalSize, progress, spanCount, pinned } = row.entry;
  const parts = [expectedTotalSize === null ? size(downloadedBytes) : size(downloadedBytes) + ' of ' + size(expectedTotalSize)];
  if (progress !== null) parts.push((progress * 100).toFixed(progress === 1 ? 0 : 1) + ' %');
  if (spanCount > 1) parts.push(spanCount + ' ranges');
  if (pinned) parts.push('pinned');
  row.numbers.textContent = parts.join(' · ');
  row.svg.setAttribute('aria-label', 'Cached: ' + parts.join(', '));
}

function draw(row, ranges) {
  const total = row.entry.expectedTotalSize;
  if (!total) { row.path.setAttribute('d', ''); return; }
  let last = -1;
  let d = '';
  for (const [start, end] of ranges) {
    const from = Math.max(Math.floor((start / total) * 2000), last);
    const to = Math.max(Math.ceil(((end + 1) / total) * 2000), from + 1);
    if (to <= last) continue;
    d += 'M' + from + ' 0H' + to + 'V1H' + from + 'Z';
    last = to;
  }
  row.path.setAttribute('d', d);
}

/** Draws at once what is known without asking; else asks for the ranges, seldom. */
function showRanges(row) {
  const { state, downloadedBytes, expectedTotalSize } = row.entry;
  if (state === 'Complete') return draw(row, [[0, (expectedTotalSize || 1) - 1]]);
  if (downloadedBytes === 0) return draw(row, []);
  if (row.asked > 0) { row.asked = 2; return; }
  row.asked = 1;
  call('GET', 'entries/' + row.id + '/ranges').then((answer) => answer.json()).then(({ ranges }) => draw(row, ranges), () => {});
  setTimeout(() => {
    const again = row.asked === 2;
    row.asked = 0;
    if (again && rows.get(row.id) === row) showRanges(row);
  }, RANGES_MS);
}

function drop(id) {
  rows.get(id)?.item.remove();
  rows.delete(id);
  showEmpty();
}

function showEmpty() {
  if (rows.size === 0) say('The cache is empty: add a URL, or open a stream.');
  else if (!byId('notice').classList.contains('bad')) say('');
}

async function list() {
  const answer = await call('GET', 'entries?sort=createdAt&limit=' + SHOWN);
  const { entries, nextCursor } = await answer.json();
  const listed = new Set(entries.map((entry) => entry.id));
  for (const id of [...rows.keys()]) if (!listed.has(id)) drop(id);
  for (const entry of entries.reverse()) show(entry);
  showEmpty();
  if (nextCursor !== null) say('The ' + SHOWN + ' newest entries are shown; seekwell ls shows all.');
}

function count(number, one, many) {
  return number + ' ' + (number === 1 ? one : many);
}

function showStats({ entries, cacheBytes, quotaBytes, activeStreams, activeFetches }) {
  const held = size(cacheBytes) + (quotaBytes === null ? '' : ' of ' + size(quotaBytes)) + ' cached';
  byId('stats').textContent = [
    count(entries, 'entry', 'entries'), held, count(activeStreams, 'stream', 'streams'), count(activeFetches, 'fetch', 'fetches'),
  ].join(' · ');
}

function heard(type, data) {
  if (type === 'entryChanged') return show(data.entry);
  if (type === 'entryRemoved') return drop(data.entryId);
  if (type === 'stats') return showStats(data);
  if (type === 'reload') return act(list);
  const row = rows.get(data.entryId);
  if (type !== 'rangesAdded' || row === undefined) return;
  const { expectedTotalSize } = row.entry;
  const progress = expectedTotalSize ? Math.min(0.999, data.downloadedBytes / expectedTotalSize) : row.entry.progress;
  show({ ...row.entry, downloadedBytes: data.downloadedBytes, progress: row.entry.state === 'Complete' ? 1 : progress });
}

/** EventSource sends no headers, so no token: the events are read here. Ends when the daemon does. */
async function follow() {
  const response = await call('GET', 'events');
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + value).split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const type = /^event: (.+)$/m.exec(block);
      const data = /^data: (.+)$/m.exec(block);
      if (type !== null && data !== null) heard(type[1], JSON.parse(data[1]));
    }
  }
}

function act(work) {
  work().then(() => say(''), (error) => say(error.message, true)).then(showEmpty);
}

/** Resolves when the user gave a token. */
function askForToken() {
  byId('ask').hidden = false;
  byId('add').hidden = true;
  byId('token').focus();
  return new Promise((resolve) => byId('ask').addEventListener('submit', (event) => {
    event.preventDefault();
    sessionStorage.setItem(TOKEN, byId('token').value);
    byId('token').value = '';
    byId('ask').hidden = true;
    byId('add').hidden = false;
    resolve();
  }, { once: true }));
}

async function run() {
  for (;;) {
    try {
      await list();
      say('');
      showEmpty();
      await follow();
    } catch (error) {
      if (error.status === 401) {
        say(sessionStorage.getItem(TOKEN) === null ? 'This daemon wants its token.' : 'That is not the token.', sessionStorage.getItem(TOKEN) !== null);
        sessionStorage.removeItem(TOKEN);
        await askForToken();
        continue;
      }
      say(error instanceof Problem ? error.message : 'The daemon does not answer; trying again.', true);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

byId('add').addEventListener('submit', (event) => {
  event.preventDefault();
  act(() => call('POST', 'entries', { url: byId('url').value }).then((answer) => answer.json()).then((entry) => {
    byId('url').value = '';
    show(entry);
  }));
});
// Other processes change the cache too, and tell no events here.
setInterval(() => { if (!document.hidden && byId('ask').hidden) list().catch(() => {}); }, LIST_MS);
run();
`;
