// The picture of the results: for each row three bars, each as long as the share of the best one that it reaches. Longer is better.

/** @typedef {{ label: string, better: 'lower' | 'higher', values: import('./figures.mjs').Values }} Bars */

const NAMES = /** @type {const} */ ({ seekwell: 'Seekwell', nginx: 'nginx slice', rclone: 'rclone' });
/** Readable on a light page and on a dark one. */
const COLORS = { seekwell: '#2f81f7', nginx: '#8b949e', rclone: '#b08d57', text: '#7d8590', line: '#7d859055' };
const WIDTH = 760;
const LEFT = 250;
const RIGHT = 60;
const BAR = 12;
const GAP = 3;
const GROUP_GAP = 16;
const TOP = 44;

/** @param {Bars[]} groups @returns {string} SVG */
export function chart(groups) {
  let y = TOP;
  /** @type {string[]} */
  const drawn = [];
  for (const { label, better, values } of groups) {
    const peers = keysOf(values);
    const best = Math[better === 'lower' ? 'min' : 'max'](...peers.map((peer) => Number(values[peer])));
    const height = peers.length * (BAR + GAP) - GAP;
    drawn.push(...wrapped(label, y + height / 2));
    for (const peer of peers) {
      const value = Number(values[peer]);
      drawn.push(bar(peer, better === 'lower' ? best / value : value / best, y));
      y += BAR + GAP;
    }
    y += GROUP_GAP - GAP;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-label="Seekwell, nginx slice and rclone, side by side" font-family="system-ui, sans-serif" font-size="12">
${legend()}
<line x1="${LEFT}" y1="${TOP - 8}" x2="${LEFT}" y2="${y - GROUP_GAP + 8}" stroke="${COLORS.line}"/>
${drawn.join('\n')}
</svg>
`;
}

/** @param {import('./figures.mjs').Values} values */
function keysOf(values) {
  return /** @type {(keyof typeof NAMES)[]} */ (Object.keys(NAMES)).filter((peer) => values[peer] !== undefined);
}

function legend() {
  const items = /** @type {(keyof typeof NAMES)[]} */ (Object.keys(NAMES)).map(
    (peer, index) =>
      `<rect x="${LEFT + index * 110}" y="8" width="12" height="12" rx="2" fill="${COLORS[peer]}"/><text x="${LEFT + 18 + index * 110}" y="18" fill="${COLORS.text}">${NAMES[peer]}</text>`,
  );
  return `<text x="12" y="18" fill="${COLORS.text}">share of the best, longer is better</text>\n${items.join('\n')}`;
}

/** @param {keyof typeof NAMES} peer @param {number} share @param {number} y */
function bar(peer, share, y) {
  const width = Math.max(1, share * (WIDTH - LEFT - RIGHT));
  const text = `<text x="${(LEFT + width + 6).toFixed(1)}" y="${y + BAR - 2}" fill="${COLORS.text}" font-size="11">${Math.round(share * 100)}%</text>`;
  return `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" fill="${COLORS[peer]}"/>${text}`;
}

/** A label of one line or two, in the middle of its group. @param {string} label @param {number} middle */
function wrapped(label, middle) {
  const words = label.split(' ');
  /** @type {string[]} */
  const lines = [''];
  for (const word of words) {
    const line = lines.at(-1) ?? '';
    if (line.length + word.length > 36) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.map(
    (line, index) =>
      `<text x="${LEFT - 12}" y="${(middle + 4 + (index - (lines.length - 1) / 2) * 14).toFixed(1)}" fill="${COLORS.text}" text-anchor="end">${line}</text>`,
  );
}
