import { formatMs, formatMsOr, formatShare, plural } from './format.ts';
import { html, type Markup } from './markup.ts';
import type { AvailabilityResult, FaultKindResult, FaultResult, RunResult } from './result.ts';

/** One row per fault; of cases with very many, one per kind, with its single ones folded below. */
export function faultsSection({ faults, faultKinds }: RunResult): Markup {
  const byKind = new Set(faultKinds.map((kind) => kind.case));
  const single = faults.filter((fault) => !byKind.has(fault.case));
  return html`<section id="faults" aria-labelledby="faults-title">
<h2 id="faults-title">Faults, and how the pipeline came back</h2>
<p class="lead">A fault counts from the moment a witness outside the pipeline saw it take effect; recovery counts from the moment its healing was seen.</p>
${faults.length === 0 && html`<p class="card empty">No fault was injected.</p>`}
${single.length > 0 && faultTable(single)}
${faultKinds.length > 0 && kindsTable(faultKinds, faults)}
</section>`;
}

function faultTable(faults: readonly FaultResult[]): Markup {
  return html`<div class="card scroll" tabindex="0" role="region" aria-label="Faults"><table><thead><tr><th scope="col">Fault</th><th scope="col">Case</th><th scope="col" class="num">On for</th><th scope="col" class="num">Writes<br>meanwhile</th><th scope="col" class="num">Time to<br>detect</th><th scope="col" class="num">First success<br>after healing</th><th scope="col" class="num">Backlog<br>drained</th><th scope="col" class="num">Losses</th><th scope="col">Witness</th></tr></thead>
<tbody>${faults.map(faultRow)}</tbody></table></div>`;
}

function faultRow(fault: FaultResult): Markup {
  return html`<tr data-fault-row="${fault.id}"><th scope="row">${fault.kind}<span class="sub">at ${formatMs(fault.effectiveAt ?? fault.requestedAt)}</span></th><td class="key">${fault.case ?? '–'}</td>
<td class="num">${onFor(fault)}</td><td class="num">${writesOf(fault)}</td>
<td class="num">${formatMsOr(fault.detectedMs)}</td><td class="num">${formatMsOr(fault.firstSuccessAfterMs)}</td><td class="num">${formatMsOr(fault.backlogDrainedMs)}</td>
<td class="num">${lossesOf(fault.losses)}</td><td>${witnessOf(fault)}</td></tr>`;
}

const onFor = ({ effectiveAt, healedAt, requestedAt }: FaultResult): string =>
  healedAt === null ? 'not healed' : formatMs(healedAt - (effectiveAt ?? requestedAt));

function writesOf({ writes }: FaultResult): string {
  const due = writes.ok + writes.notOk;
  return due === 0 ? '–' : `${writes.ok} of ${due} ok`;
}

function lossesOf(losses: number | null, word = 'lost'): Markup | string {
  if (losses === null) return 'not checked';
  return losses === 0 ? '0' : html`<span class="verdict bad">✕ ${losses} ${word}</span>`;
}

const witnessOf = ({ witness }: FaultResult): Markup | string =>
  witness ?? html`<span class="verdict warn">? no witness</span>`;

function kindsTable(kinds: readonly FaultKindResult[], faults: readonly FaultResult[]): Markup {
  const single = Map.groupBy(faults, (fault) => keyOf(fault.case, fault.kind));
  return html`<p class="lead">Of a case with many faults, one row per kind: availability of operations that were due from the fault's request until its aftereffects were over, while nothing else was broken; recovery from healing to the next write that was answered with yes; losses that were due since.</p>
<div class="card scroll" tabindex="0" role="region" aria-label="Faults by kind"><table><thead><tr><th scope="col">Kind of fault</th><th scope="col">Component</th><th scope="col" class="num">How often</th><th scope="col" class="num">Recovery,<br>median</th><th scope="col" class="num">Recovery,<br>slowest</th><th scope="col" class="num">Writes answered,<br>it alone</th><th scope="col" class="num">Reads answered,<br>it alone</th><th scope="col" class="num">Lost</th><th scope="col" class="num">Back from<br>deletion</th></tr></thead>
${kinds.map((kind) => kindRows(kind, single.get(keyOf(kind.case, kind.kind)) ?? []))}</table></div>`;
}

const keyOf = (key: string | null, kind: string): string => JSON.stringify([key, kind]);

function kindRows(kind: FaultKindResult, single: readonly FaultResult[]): Markup {
  const { count, unwitnessed, recoveryMedianMs, recoverySlowestMs } = kind;
  return html`<tbody data-fault-kind="${kind.kind}"><tr><th scope="row">${kind.kind}<span class="sub">${kind.case ?? 'no case'}</span></th><td class="key">${kind.target}</td>
<td class="num">${count}${unwitnessed > 0 && html`<span class="sub">${unwitnessed} unwitnessed</span>`}</td>
<td class="num">${formatMsOr(recoveryMedianMs)}</td><td class="num">${formatMsOr(recoverySlowestMs)}</td>
<td class="num">${shareText(kind.writesAlone)}</td><td class="num">${shareText(kind.readsAlone)}</td>
<td class="num">${lossesOf(kind.lost)}</td><td class="num">${lossesOf(kind.resurrected, 'back')}</td></tr>
<tr class="folded"><td colspan="9"><details><summary>${plural(single.length, 'fault')} in time order</summary>
<table><thead><tr><th scope="col" class="num">Round</th><th scope="col">Planned as</th><th scope="col" class="num">At</th><th scope="col" class="num">On for</th><th scope="col" class="num">Writes meanwhile</th><th scope="col" class="num">Writes again after</th><th scope="col" class="num">Losses</th><th scope="col">Witness</th></tr></thead>
<tbody>${single.toSorted((a, b) => a.requestedAt - b.requestedAt).map(foldedRow)}</tbody></table></details></td></tr></tbody>`;
}

function foldedRow(fault: FaultResult): Markup {
  return html`<tr data-fault-row="${fault.id}"><td class="num">${fault.round ?? '–'}</td><td class="key">${fault.plannedAs.join(', ')}</td><td class="num">${formatMs(fault.effectiveAt ?? fault.requestedAt)}</td>
<td class="num">${onFor(fault)}</td><td class="num">${writesOf(fault)}</td><td class="num">${formatMsOr(fault.writesAgainMs)}</td><td class="num">${lossesOf(fault.losses)}</td><td>${witnessOf(fault)}</td></tr>`;
}

type Answered = Omit<AvailabilityResult, 'case' | 'kind' | 'scope'>;

function shareText({ availability, n }: Answered): Markup | string {
  return availability === null ? '–' : html`${formatShare(availability)}<span class="sub">of ${n}</span>`;
}

/** What was answered well outside of faults, while one was on, and while aftereffects were possible. */
export function availabilitySection({ availability }: RunResult): Markup {
  if (availability.length === 0) return html``;
  const rows = [...Map.groupBy(availability, ({ case: key, kind }) => keyOf(key, kind)).values()];
  return html`<section id="availability" aria-labelledby="availability-title">
<h2 id="availability-title">Availability, in and out of faults</h2>
<p class="lead">The share of operations that were answered with yes or a definite no, by when they were due. What may still be felt: a fault that is over for less than 2 s, or as long as its kind takes, or that was asked for and not seen yet.</p>
<div class="card scroll" tabindex="0" role="region" aria-label="Availability"><table><thead><tr><th scope="col">Operation</th><th scope="col">Case</th><th scope="col" class="num">Nothing broken</th><th scope="col" class="num">A fault on</th><th scope="col" class="num">Aftereffects possible</th></tr></thead>
<tbody>${rows.map(availabilityRow)}</tbody></table></div>
</section>`;
}

function availabilityRow(scopes: readonly AvailabilityResult[]): Markup {
  const cell = (wanted: AvailabilityResult['scope']): Markup => {
    const found = scopes.find(({ scope }) => scope === wanted);
    return html`<td class="num">${found === undefined ? '–' : shareText(found)}</td>`;
  };
  return html`<tr data-availability="${scopes[0]?.kind}"><th scope="row">${scopes[0]?.kind}</th><td class="key">${scopes[0]?.case ?? '–'}</td>${cell('outside')}${cell('during')}${cell('near')}</tr>`;
}
