import type { RunResult } from './result.ts';

/** A badge for a README: the highest tier that the run shows, or that a lower one is violated. */
export interface Badge {
  label: string;
  message: string;
  color: string;
}

const COLORS = { good: '#2e7d32', warn: '#b26a00', bad: '#c62828' } as const;

/**
 * What a run entitles to; undefined where it does not say what was judged by what: target, suite and ledger with their
 * versions, and where it judged nothing of the tiers.
 */
export function badgeOf({ run, tiers }: RunResult): Badge | undefined {
  const { target, suiteVersion, requirementsVersion } = run;
  if (target === null || target.version === undefined || suiteVersion === null || requirementsVersion === null) {
    return undefined;
  }
  const label = `syncproof ${suiteVersion} · ${target.name} ${target.version}`;
  const [first] = tiers;
  if (first === undefined || first.verdict === 'unjudged') return undefined;
  const held = tiers.findLast(({ verdict }) => verdict === 'conformant');
  if (held !== undefined) return { label, message: held.tier, color: COLORS.good };
  const message = `${first.tier} ${first.verdict}`;
  return { label, message, color: first.verdict === 'violated' ? COLORS.bad : COLORS.warn };
}

/** Of one character, about; text is stretched to what is reckoned, so that no font spoils it. */
const CHARACTER_PX = 6.5;
const PADDING_PX = 10;
const HEIGHT_PX = 20;

export function renderBadge({ label, message, color }: Badge): string {
  const width = (text: string): number => Math.round(text.length * CHARACTER_PX + 2 * PADDING_PX);
  const [left, right] = [width(label), width(message)];
  const text = (words: string, x: number, widthPx: number): string =>
    `<text x="${x + widthPx / 2}" y="14" textLength="${widthPx - 2 * PADDING_PX}" lengthAdjust="spacingAndGlyphs">${escaped(words)}</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${left + right}" height="${HEIGHT_PX}" role="img" aria-label="${escaped(`${label}: ${message}`)}">
<rect width="${left}" height="${HEIGHT_PX}" fill="#444"/><rect x="${left}" width="${right}" height="${HEIGHT_PX}" fill="${color}"/>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">${text(label, 0, left)}${text(message, left, right)}</g>
</svg>
`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}
