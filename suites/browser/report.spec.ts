import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { test as base, expect, type Page } from '@playwright/test';
import { sampleHistory } from '../../harness/report/fixtures/sample-history.ts';
import { soakHistory } from '../../harness/report/fixtures/soak-history.ts';
import { type RunResult, runResultSchema } from '../../harness/report/result.ts';
import { writeReports } from '../../harness/report/write.ts';

const LATEST = fileURLToPath(new URL('../../reports/output/latest/', import.meta.url));
const HOSTILE_NAME = '<img src=x onerror="console.error(1)">\u202Egpj.exe';

interface OpenedReport {
  page: Page;
  result: RunResult;
}

/** Opens reports, and afterwards insists that they neither asked for anything nor complained. */
const test = base.extend<{ open: (directory: string) => Promise<OpenedReport>; sampleDirectory: string }>({
  sampleDirectory: async ({ browserName }, use) => {
    const directory = await mkdtemp(join(tmpdir(), `syncproof-report-${browserName}-`));
    await use(directory);
    await rm(directory, { recursive: true });
  },
  open: async ({ page }, use) => {
    const requests: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`));
    await use(async (directory) => {
      await page.goto(pathToFileURL(join(directory, 'index.html')).href);
      const result = runResultSchema.parse(JSON.parse(await readFile(join(directory, 'result.json'), 'utf8')));
      return { page, result };
    });
    expect(requests.filter((url) => !/^file:.*\/index\.html(#.*)?$/.test(url))).toEqual([]);
    expect(complaints).toEqual([]);
  },
});

async function writeSample(directory: string, outcome: 'conformant' | 'violation'): Promise<string> {
  const historyPath = join(directory, 'history.jsonl');
  const history = sampleHistory({ outcome, hostileName: HOSTILE_NAME });
  await writeFile(historyPath, history.map((record) => `${JSON.stringify(record)}\n`).join(''));
  await writeReports({ historyPath, outputDirectory: directory, complete: true });
  return directory;
}

async function writeSoak(directory: string, outcome: 'conformant' | 'violation' | 'inconclusive'): Promise<string> {
  const historyPath = join(directory, 'history.jsonl');
  const records = [...soakHistory({ outcome })];
  await writeFile(historyPath, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  await writeReports({ historyPath, outputDirectory: directory, complete: true });
  return directory;
}

/** What holds for the report of any run: it shows what its result.json says. */
async function expectToShowItsResult({ page, result }: OpenedReport): Promise<void> {
  await expect(page.locator('#verdict')).toHaveAttribute('data-run-verdict', result.verdict);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();

  // Read at once: the page is whole when it is loaded, and one question per row of a large one takes its time.
  const shown = await page.locator('[data-requirement]').evaluateAll((rows) =>
    rows.map((row) => ({
      id: row.getAttribute('data-requirement'),
      verdict: row.querySelector('.verdict')?.getAttribute('data-verdict'),
      isNamed: /[a-z]{4,}/.test(row.querySelector('.verdict')?.textContent ?? ''),
      cases: row.querySelectorAll('[data-case]').length,
    })),
  );
  const wanted = result.requirements.map(({ id, verdict, cases }) => ({
    ...{ id, verdict, isNamed: true },
    cases: cases.length,
  }));
  expect(shown).toEqual(wanted);

  await expect(page.locator('rect.band[data-fault]')).toHaveCount(result.faults.length);
  await expect(page.locator('[data-fault-row]')).toHaveCount(result.faults.length);
  await expectEverySampleDrawn(page, result.latency.samples.length);
  const series = await page
    .locator('tr[data-series]')
    .evaluateAll((rows) => rows.map((row) => row.querySelector('td.num')?.textContent ?? ''));
  expect(series.length).toBe(result.latency.series.length);
  for (const [index, { n }] of result.latency.series.entries()) expect(series[index]).toContain(String(n));
  await expectNoSidewaysScroll(page);
}

/** Panels of very long runs draw fewer marks than they have samples, and say so. */
async function expectEverySampleDrawn(page: Page, samples: number): Promise<void> {
  const counts = await page.locator('svg[data-panel]').evaluateAll((panels) =>
    panels.map((panel) => ({
      marks: panel.querySelectorAll('.marks .s').length,
      samples: Number(panel.getAttribute('data-samples')),
      thinned: panel.textContent?.includes('drawn, the slowest all') === true,
    })),
  );
  expect(counts.reduce((sum, panel) => sum + panel.samples, 0)).toBe(samples);
  expect(counts.filter((panel) => !panel.thinned && panel.marks !== panel.samples)).toEqual([]);
}

async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const widths = await page.evaluate('[document.documentElement.scrollWidth, window.innerWidth]');
  const [content, window] = widths as [number, number];
  expect(content).toBeLessThanOrEqual(window);
}

for (const outcome of ['conformant', 'violation'] as const) {
  test(`a ${outcome} run is shown as its result says`, async ({ open, sampleDirectory }) => {
    const report = await open(await writeSample(sampleDirectory, outcome));
    expect(report.result.verdict).toBe(outcome);
    expect(report.result.faults.length).toBeGreaterThan(3);
    expect(report.result.latency.samples.length).toBeGreaterThan(2000);
    await expectToShowItsResult(report);
  });
}

for (const outcome of ['conformant', 'violation', 'inconclusive'] as const) {
  test(`a ${outcome} soak of many faults is shown as its result says`, async ({ open, sampleDirectory }) => {
    const report = await open(await writeSoak(sampleDirectory, outcome));
    expect(report.result.verdict).toBe(outcome);
    await expectToShowItsResult(report);
  });
}

test('a soak has a lane per part, and its faults folded by kind, in the order of their rounds', async ({
  open,
  sampleDirectory,
}) => {
  const { page, result } = await open(await writeSoak(sampleDirectory, 'violation'));
  await expect(page.locator('.band-label')).toHaveCount(0);
  const lanes = await page
    .locator('rect.band.lane')
    .evaluateAll((bars) => new Set(bars.map((bar) => bar.getAttribute('y'))).size);
  expect(lanes).toBe(new Set(result.faults.map(({ target }) => target)).size);

  const kinds = page.locator('[data-fault-kind]');
  await expect(kinds).toHaveCount(result.faultKinds.length);
  const kind = page.locator('[data-fault-kind="redis-killed"]');
  await expect(kind.locator('[data-fault-row]').first()).toBeHidden();
  await kind.locator('summary').click();
  const shown = await kind.locator('[data-fault-row] td:first-child').allTextContents();
  const rounds = result.faults.filter((fault) => fault.kind === 'redis-killed').map(({ round }) => String(round));
  expect(shown).toEqual(rounds);
  await expect(page.locator('#faults').getByText('1 lost').first()).toBeVisible();

  await expect(page.locator('[data-availability]')).toHaveCount(5);
  await expect(page.locator('[data-memory]')).toHaveCount(result.memory.length);
  await expectNoSidewaysScroll(page);
});

test('the latest run is shown as its result says', async ({ open }) => {
  test.skip(!existsSync(join(LATEST, 'index.html')), 'no run has been reported here yet');
  await expectToShowItsResult(await open(LATEST));
});

test('marks lie inside the plot, and bands where the faults were', async ({ open, sampleDirectory }) => {
  const { page, result } = await open(await writeSample(sampleDirectory, 'violation'));
  const panel = page.locator('[data-panel="RES-01/killed"]');
  const [plot, band] = [await panel.boundingBox(), await panel.locator('rect.band').boundingBox()];
  const fault = result.faults.find((each) => each.case === 'RES-01/killed');
  if (plot === null || band === null || fault === undefined) throw new Error('the panel of RES-01/killed is not drawn');
  // 10 s of about 16 s between the case's first and last sample.
  expect(band.width / plot.width).toBeGreaterThan(0.45);
  expect(band.width / plot.width).toBeLessThan(0.7);
  await expect(panel.locator('.band-label')).toHaveText(/redis-killed 10 s/);
  await expect(panel.getByText('time since the run started, in s')).toBeVisible();
  const stray = await panel.locator('.marks .s').evaluateAll(
    (marks, { left, right }) =>
      marks.filter((mark) => {
        const box = (
          mark as unknown as { getBoundingClientRect(): { left: number; right: number } }
        ).getBoundingClientRect();
        return box.left < left - 5 || box.right > right + 5;
      }).length,
    { left: plot.x, right: plot.x + plot.width },
  );
  expect(stray).toBe(0);
  await expect(page.locator('[data-panel="RES-02/short"] .s.censored')).toHaveCount(3);
});

test('names from a run stay text', async ({ open, sampleDirectory }) => {
  const { page } = await open(await writeSample(sampleDirectory, 'conformant'));
  const row = page.locator('[data-requirement="SYNC-01"]');
  await expect(row.locator('td.text')).toContainText('<img src=x onerror="console.error(1)">\\u{202e}gpj.exe');
  await expect(page.locator('img')).toHaveCount(0);
});

test('cases unfold by keyboard, and those in trouble are open', async ({ open, sampleDirectory }) => {
  const { page } = await open(await writeSample(sampleDirectory, 'violation'));
  const failed = page.locator('[data-requirement="RES-02"]');
  await expect(failed.getByText('never became searchable')).toBeVisible();
  const passed = page.locator('[data-requirement="RES-01"]');
  await expect(passed.locator('[data-case]').first()).toBeHidden();
  await passed.locator('summary').focus();
  await page.keyboard.press('Enter');
  await expect(passed.locator('[data-case]')).toHaveCount(2);
  await expect(passed.locator('[data-case]').first()).toBeVisible();
});

test('a case that did not pass links its evidence, relative to the page', async ({ open, sampleDirectory }) => {
  const { page, result } = await open(await writeSample(sampleDirectory, 'violation'));
  const link = page.locator('[data-case="RES-02/short"]').getByRole('link', { name: 'stream.txt' });
  await expect(link).toHaveAttribute('href', 'evidence/RES-02-short/stream.txt');
  const cases = result.requirements.flatMap((requirement) => requirement.cases);
  await expect(page.locator('[data-evidence]')).toHaveCount(cases.filter((each) => each.evidenceFiles).length);
});

test('the command that repeats the run is copied', async ({ open, sampleDirectory, context }) => {
  const { page, result } = await open(await writeSample(sampleDirectory, 'conformant'));
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByRole('button', { name: 'Copy' }).click();
  await expect(page.getByRole('button', { name: /Copied|Selected/ })).toBeVisible();
  await expect(page.locator('#command')).toHaveText(result.run.command ?? '');
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`it fits a phone and is readable in ${colorScheme}`, async ({ open, sampleDirectory, page }) => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: 360, height: 740 });
    for (const write of [writeSample, writeSoak]) {
      await open(await write(sampleDirectory, 'violation'));
      await expectNoSidewaysScroll(page);
      expect(await lowestContrast(page, '.verdict, h1, h2, p.lead, td, th, .sub, .note, button, a')).toBeGreaterThan(
        4.5,
      );
    }
  });
}

/** The lowest WCAG contrast ratio between the text of the matching elements and what lies behind it. */
async function lowestContrast(page: Page, selector: string): Promise<number> {
  return page.evaluate(`(() => {
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b]
      .map((value) => value / 255)
      .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
      .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
    const behind = (element) => {
      for (let each = element; each; each = each.parentElement) {
        const colour = parse(getComputedStyle(each).backgroundColor);
        if (colour.length === 3 || colour[3] === 1) return colour;
      }
      return [255, 255, 255];
    };
    return Math.min(...[...document.querySelectorAll(${JSON.stringify(selector)})].map((element) => {
      const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }));
  })()`);
}
