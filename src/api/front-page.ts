import { FRONT_PAGE_SCRIPT } from './front-page-script.ts';
import { htmlPage } from './html-page.ts';
import { PAGE_STYLE } from './page-style.ts';

const STYLE = `${PAGE_STYLE}
form { display: flex; gap: .5rem; margin: 0 0 1rem; }
form input { flex: 1; min-width: 0; }
#notice { margin: 0 0 .75rem; }
#notice:empty { margin: 0; }
#notice.bad { color: var(--bad); }
#entries { list-style: none; margin: 0; padding: 0; display: grid; gap: .75rem; }
.entry { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; }
.top { display: flex; gap: 1rem; justify-content: space-between; align-items: baseline; }
.name { font-weight: 600; overflow-wrap: anywhere; }
.state { font-size: .85rem; font-weight: 600; color: var(--quiet); white-space: nowrap; }
.state[data-state=Complete] { color: var(--good); }
.state[data-state=Downloading], .state[data-state=Initializing] { color: var(--accent); }
.state[data-state=Paused] { color: var(--warn); }
.state[data-state=Failed] { color: var(--bad); }
.where { overflow-wrap: anywhere; }
.bar { display: block; width: 100%; height: .6rem; margin: .5rem 0; border-radius: .3rem; background: var(--track); }
.bar path { fill: var(--accent); }
.state[data-state=Complete] ~ .bar path, .entry[data-state=Complete] .bar path { fill: var(--good); }
.bottom { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
.bottom .numbers { flex: 1 1 12rem; }
.bottom button { font-size: .9rem; padding: .15rem .6rem; }
.trouble { color: var(--bad); font-size: .9rem; overflow-wrap: anywhere; }
`;

const BODY = `<header>
<h1>Seekwell</h1>
<span class="quiet" id="stats"></span>
<a class="quiet" href="api/docs">API</a>
</header>
<main>
<form id="ask" hidden>
<input id="token" type="password" required autocomplete="off" aria-label="Token" placeholder="The daemon's token">
<button class="primary">Unlock</button>
</form>
<form id="add">
<input id="url" type="url" required aria-label="URL to cache" placeholder="https://example.com/film.mkv" autocomplete="off">
<button class="primary">Add</button>
</form>
<p id="notice" class="quiet" role="status"></p>
<ul id="entries" aria-label="Entries"></ul>
<noscript>This page needs JavaScript. The command seekwell ls shows the same.</noscript>
</main>`;

/** What `GET /` shows: the entries, live. */
export const FRONT_PAGE = htmlPage({ title: 'Seekwell', style: STYLE, script: FRONT_PAGE_SCRIPT, body: BODY });
