import { formatBytes, formatMs } from './format.ts';
import { html, type Markup } from './markup.ts';
import type { MemoryResult, RunResult } from './result.ts';

export function memorySection({ memory }: RunResult): Markup {
  if (memory.length === 0) return html``;
  return html`<section id="memory" aria-labelledby="memory-title">
<h2 id="memory-title">Memory</h2>
<p class="lead">Resident memory of each part, looked at again and again while the case ran; of PostgreSQL that of all its processes, what they share counted once; of a container the anonymous memory of its control group. A part that was killed began anew.</p>
<div class="card scroll" tabindex="0" role="region" aria-label="Memory"><table><thead><tr><th scope="col">Part</th><th scope="col">Case</th><th scope="col" class="num">At start</th><th scope="col" class="num">Most</th><th scope="col" class="num">At end</th><th scope="col" class="num">End against start</th><th scope="col" class="num">Samples</th></tr></thead>
<tbody>${memory.map(memoryRow)}</tbody></table></div>
</section>`;
}

function memoryRow({ part, case: key, samples, startBytes, mostBytes, mostAt, endBytes }: MemoryResult): Markup {
  const grew = endBytes - startBytes;
  return html`<tr data-memory="${part}"><th scope="row">${part}</th><td class="key">${key ?? '–'}</td><td class="num">${formatBytes(startBytes)}</td>
<td class="num">${formatBytes(mostBytes)}<span class="sub">at ${formatMs(mostAt)}</span></td><td class="num">${formatBytes(endBytes)}</td>
<td class="num">${grew < 0 ? '−' : '+'}${formatBytes(Math.abs(grew))}</td><td class="num">${samples}</td></tr>`;
}
