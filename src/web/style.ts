/** The one style sheet: light and dark by the reader's choice, readable on a phone, nothing fetched from elsewhere. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ink: light-dark(#1c2024, #e4e6e8);
  --soft: light-dark(#5b646d, #9aa4ae);
  --line: light-dark(#d9dee3, #343b42);
  --paper: light-dark(#ffffff, #15181b);
  --raised: light-dark(#f5f7f9, #1e2328);
  --link: light-dark(#0b5cad, #7db8f2);
  --good: light-dark(#1a7f37, #57c26d);
  --bad: light-dark(#c0271b, #ff8578);
  --wait: light-dark(#8a5a00, #e2b04a);
  --run: light-dark(#0b5cad, #7db8f2);
  font: 16px/1.5 system-ui, sans-serif;
}
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper); }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 2px; }
header { border-bottom: 1px solid var(--line); background: var(--raised); }
header > div, main, footer { max-width: 72rem; margin: 0 auto; padding: 0.75rem 1rem; }
header > div { display: flex; flex-wrap: wrap; gap: 0.5rem 1.25rem; align-items: center; }
header .name { font-weight: 700; color: inherit; text-decoration: none; }
header nav { display: flex; gap: 1rem; }
header form { margin-left: auto; display: flex; gap: 0.4rem; }
input, button, select { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 4px; padding: 0.15rem 0.5rem; }
input[type='search'] { width: 14rem; max-width: 60vw; }
main { padding-bottom: 3rem; }
footer { color: var(--soft); font-size: 0.85rem; border-top: 1px solid var(--line); }
h1 { font-size: 1.5rem; margin: 1.2rem 0 0.6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 1.8rem 0 0.5rem; }
p { margin: 0.5rem 0; }
.soft { color: var(--soft); }
.sentence { font-size: 1.05rem; }
.remedy { border-left: 3px solid var(--wait); padding: 0.2rem 0.75rem; margin: 0.5rem 0; background: var(--raised); white-space: pre-wrap; }
.alert { border-left: 3px solid var(--bad); padding: 0.3rem 0.75rem; margin: 0.4rem 0; background: var(--raised); }
.waiting { border-left: 3px solid var(--wait); padding: 0.3rem 0.75rem; margin: 0.4rem 0; background: var(--raised); }
table { border-collapse: collapse; width: 100%; margin: 0.4rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.75rem 0.35rem 0; border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
th { font-weight: 600; color: var(--soft); font-size: 0.85rem; }
td:first-child code { white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.wide { overflow-x: auto; }
code, pre, .mono { font-family: ui-monospace, 'DejaVu Sans Mono', monospace; font-size: 0.86em; }
pre { background: var(--raised); border: 1px solid var(--line); border-radius: 4px; padding: 0.6rem 0.8rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1.2rem; margin: 0.5rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
time { white-space: nowrap; }
form.filter { display: flex; flex-wrap: wrap; gap: 0.4rem; }
details.submission > summary { padding: 0.4rem 0; cursor: pointer; }
details.submission { border: 1px solid var(--line); border-radius: 6px; padding: 0.2rem 1rem 0.4rem; margin: 1rem 0; }
details.submission > section.submission { border: 0; padding: 0; margin: 0; }
.state { display: inline-block; white-space: nowrap; font-weight: 600; }
.state::before { margin-right: 0.35em; }
.good { color: var(--good); } .good.state::before { content: '✓'; }
.bad { color: var(--bad); } .bad.state::before { content: '✗'; }
.wait { color: var(--wait); } .wait.state::before { content: '…'; }
.run { color: var(--run); } .run.state::before { content: '▸'; }
.off { color: var(--soft); } .off.state::before { content: '–'; }
ol.timeline { list-style: none; margin: 0.6rem 0; padding: 0; }
ol.timeline > li { position: relative; padding: 0 0 0.7rem 1.6rem; border-left: 2px solid var(--line); margin-left: 0.5rem; }
ol.timeline > li:last-child { border-left-color: transparent; }
ol.timeline > li::before { content: ''; position: absolute; left: -0.45rem; top: 0.35rem; width: 0.75rem; height: 0.75rem; border-radius: 50%; background: currentColor; border: 2px solid var(--paper); }
ol.timeline > li > div { color: var(--ink); }
ol.timeline .head { display: flex; flex-wrap: wrap; gap: 0 0.8rem; align-items: baseline; }
ol.timeline .head time, ol.timeline .head .took { color: var(--soft); font-size: 0.85rem; }
section.submission { border: 1px solid var(--line); border-radius: 6px; padding: 0.2rem 1rem 0.4rem; margin: 1rem 0; }
@media (max-width: 40rem) {
  header form { margin-left: 0; width: 100%; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 0.4rem; }
  table, tbody, tr { display: block; }
  table.titled thead { display: none; }
  tr { border-bottom: 1px solid var(--line); padding: 0.4rem 0; }
  td, td.number { display: block; border: 0; padding: 0.05rem 0; text-align: left; overflow-wrap: anywhere; }
  td:empty { display: none; }
  td:first-child code { white-space: normal; }
  td[data-title]:not(:first-child)::before { content: attr(data-title) ': '; color: var(--soft); font-size: 0.85rem; }
}
`;
