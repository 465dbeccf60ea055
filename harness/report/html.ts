import { createHash } from 'node:crypto';
import { plural } from './format.ts';
import { availabilitySection, faultsSection } from './html-faults.ts';
import { latencySection } from './html-latency.ts';
import { memorySection } from './html-memory.ts';
import { mutantsSection } from './html-mutants.ts';
import { requirementsSection } from './html-requirements.ts';
import { SCRIPT, STYLE } from './html-style.ts';
import { summarySection } from './html-summary.ts';
import { figuresSection, findingsSection, hopsSection, operationsSection } from './html-tables.ts';
import { html, trusted } from './markup.ts';
import type { RunResult } from './result.ts';

/** The whole report as one self-contained page: no request leaves it, and its own policy would stop one. */
export function renderHtml(result: RunResult): string {
  const policy = `default-src 'none'; style-src ${sha256(STYLE)}; script-src ${sha256(SCRIPT)}; base-uri 'none'; form-action 'none'`;
  const { run } = result;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>syncproof: ${result.verdict}, ${plural(result.requirements.length, 'requirement')} (${run.id})</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
<header class="top"><b>syncproof</b><span>run <span class="mono">${run.id}</span></span>
<nav aria-label="Sections"><a href="#requirements">Requirements</a><a href="#latency">Latency</a><a href="#faults">Faults</a><a href="#operations">Operations</a></nav></header>
<main>
${summarySection(result)}
${findingsSection(result)}
${requirementsSection(result)}
${latencySection(result)}
${faultsSection(result)}
${availabilitySection(result)}
${operationsSection(result)}
${hopsSection(result)}
${memorySection(result)}
${figuresSection(result)}
${mutantsSection(result)}
</main>
<footer>Drawn from <a href="result.json">result.json</a>, which is folded from <a href="history.jsonl">history.jsonl</a>. Also beside this file: <a href="junit.xml">junit.xml</a>, <a href="summary.md">summary.md</a>.</footer>
<script>${trusted(SCRIPT)}</script>
</body>
</html>
`.toString();
}

function sha256(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
