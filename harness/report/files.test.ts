import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { describe, expect, test } from 'vitest';
import type { HistoryRecord } from '../record/history.ts';
import { buildResult } from './build.ts';
import { sampleHistory } from './fixtures/sample-history.ts';
import { renderHtml } from './html.ts';
import { renderJunit } from './junit.ts';
import { renderMarkdown } from './markdown.ts';
import { html, visibleText } from './markup.ts';
import { runResultSchema } from './result.ts';
import { writeReports } from './write.ts';

const HOSTILE = ']]><script>alert("1")</script>&amp;\u0000\u0007\ud800\u202e`|\n@everyone';
const FILES = ['index.html', 'junit.xml', 'result.json', 'summary.md'];

async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'syncproof-report-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

function lines(records: readonly HistoryRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

describe('JUnit XML', () => {
  const result = buildResult(sampleHistory({ outcome: 'violation', hostileName: HOSTILE }), { complete: true });
  const xml = renderJunit(result);

  test('is well-formed, whatever the names', () => {
    expect(XMLValidator.validate(xml)).toBe(true);
    expect(
      [...xml].filter((character) => /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(character)),
    ).toEqual([]);
    const parsed = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '' }).parse(xml);
    const suite = parsed.testsuites.testsuite.find(({ name }: { name: string }) => name.startsWith('SYNC-01'));
    expect(suite.testcase.name).toContain(']]><script>alert("1")</script>');
  });

  test('maps every verdict, and its sums agree', () => {
    const parsed = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '', parseAttributeValue: true }).parse(
      xml,
    );
    expect(parsed.testsuites).toMatchObject({ tests: 11, failures: 1, errors: 2, skipped: 1 });
    expect(xml.match(/<failure /g)).toHaveLength(1);
    expect(xml.match(/<error /g)).toHaveLength(2);
    expect(xml.match(/<skipped /g)).toHaveLength(1);
  });

  test('a run that was cut short is never all green', () => {
    const cut = buildResult(sampleHistory(), { complete: false });
    expect(renderJunit(cut)).toContain('the run came to its end');
  });
});

describe('escaping', () => {
  test('the template escapes what it is given, nothing else', () => {
    expect(html`<b title="${'"><i>'}">${['<', html`<u>ok</u>`]}${null}${0}</b>`.toString()).toBe(
      '<b title="&quot;&gt;&lt;i&gt;">&lt;<u>ok</u>0</b>',
    );
  });

  test('invisible characters are spelled out, others are left alone', () => {
    expect(visibleText('a\u0000\u202e\ud800\n\t')).toBe('a\\u{0}\\u{202e}\\u{d800}\n\t');
    expect(visibleText('ä 😀 ‏')).toBe('ä 😀 \\u{200f}');
  });

  test('no report carries markup from a name', () => {
    const result = buildResult(sampleHistory({ hostileName: HOSTILE }), { complete: true });
    expect(renderHtml(result)).not.toContain('<script>alert');
    const markdown = renderMarkdown(result);
    expect(markdown).not.toContain('<script>');
    expect(markdown).not.toContain('@everyone');
    expect(markdown.split('\n').filter((line) => line.startsWith('| SYNC-01'))).toHaveLength(1);
  });
});

describe('evidence', () => {
  const history = sampleHistory({ outcome: 'violation' });

  test('is linked from the page and named in the summary, that of each try of the cases that did not pass', () => {
    const again = history.map((record) =>
      record.type === 'case-finished' && record.case === 'RES-03'
        ? { ...record, evidenceFiles: ['evidence/RES-03-try-2/query.log'] }
        : record,
    );
    const first = history.filter((record) => record.type === 'case-finished' && record.case === 'RES-03');
    const result = buildResult([...first, ...again], { complete: true });
    const page = renderHtml(result);
    for (const path of ['RES-02-short/stream.txt', 'RES-03/query.log', 'RES-03-try-2/query.log'])
      expect(page).toContain(`<a href="evidence/${path}">`);
    expect(page).not.toContain('evidence/RES-01');
    expect(renderMarkdown(result)).toContain('(see evidence/RES-03, evidence/RES-03-try-2)');
  });

  test('is never a link to elsewhere', () => {
    const hostile = history.map((record) =>
      record.type === 'case-finished'
        ? { ...record, evidenceFiles: ['javascript:alert(1)', 'http://a/"><b>'] }
        : record,
    );
    const links = [...renderHtml(buildResult(hostile, { complete: true })).matchAll(/<a href="([^"]*)"/g)];
    expect(links.map(([, href]) => href).filter((href) => href?.includes(':'))).toEqual([]);
  });
});

describe('writeReports', () => {
  test('writes every file, whole, and gives the result they show', async () => {
    await using folder = await temporaryFolder();
    const historyPath = join(folder.path, 'history.jsonl');
    await writeFile(historyPath, lines(sampleHistory()));
    const result = await writeReports({ historyPath, outputDirectory: join(folder.path, 'out'), complete: true });
    expect((await readdir(join(folder.path, 'out'))).sort()).toEqual(FILES);
    const written: unknown = JSON.parse(await readFile(join(folder.path, 'out', 'result.json'), 'utf8'));
    expect(runResultSchema.parse(written)).toEqual(JSON.parse(JSON.stringify(result)));
  });

  test.each([
    ['absent', undefined],
    ['empty', ''],
    ['torn at its end', lines(sampleHistory().slice(0, 500)).slice(0, -20)],
    [
      'broken in the middle',
      `${lines(sampleHistory().slice(0, 500))}{"at":12,"ty\n${lines(sampleHistory().slice(500))}`,
    ],
    ['full of other JSON', 'null\n1\n"text"\n{"type":"case-started"}\n[]\n'],
  ])('reports on a history that is %s', async (_, content) => {
    await using folder = await temporaryFolder();
    const historyPath = join(folder.path, 'history.jsonl');
    if (content !== undefined) await writeFile(historyPath, content);
    const result = await writeReports({ historyPath, outputDirectory: folder.path, complete: true });
    expect(await readdir(folder.path)).toEqual(expect.arrayContaining(FILES));
    expect(result.run).toMatchObject({ complete: false, reason: expect.stringContaining('history') });
    expect(result.exitCode).not.toBe(0);
  });

  test('one file that cannot be written does not stop the others', async () => {
    await using folder = await temporaryFolder();
    const historyPath = join(folder.path, 'history.jsonl');
    await writeFile(historyPath, lines(sampleHistory()));
    await mkdir(join(folder.path, 'junit.xml', 'in-the-way'), { recursive: true });
    const writing = writeReports({ historyPath, outputDirectory: folder.path, complete: true });
    await expect(writing).rejects.toThrow(/1 of 5 reports could not be written/);
    expect((await readdir(folder.path)).sort()).toEqual(['history.jsonl', ...FILES].sort());
  });
});
