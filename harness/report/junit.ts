import { XMLBuilder } from 'fast-xml-parser';
// XML 1.0 has no way to carry most control characters, not even as references: they are spelled out.
import { visibleText as clean } from './markup.ts';
import type { CaseResult, RequirementResult, RunResult } from './result.ts';

/**
 * JUnit XML: a suite per requirement, a test per case. A violation is a failure; what kept a case from a verdict
 * (inconclusive, flaky, the harness's own error) an error, so that no consumer takes it for a pass; a missing
 * capability and an expected failure are skipped.
 */
export function renderJunit(result: RunResult): string {
  const suites = result.requirements.map(suite);
  if (!result.run.complete && suites.every((each) => each['@errors'] === 0)) suites.push(incompleteSuite(result));
  const document = {
    '?xml': { '@version': '1.0', '@encoding': 'UTF-8' },
    testsuites: {
      '@name': 'syncproof',
      '@tests': total(suites, '@tests'),
      '@failures': total(suites, '@failures'),
      '@errors': total(suites, '@errors'),
      '@skipped': total(suites, '@skipped'),
      '@time': inSeconds(result.run.durationMs),
      ...(result.run.startedAt !== null && { '@timestamp': clean(result.run.startedAt) }),
      testsuite: suites,
    },
  };
  const attributes = { attributeNamePrefix: '@', ignoreAttributes: false, suppressBooleanAttributes: false };
  return new XMLBuilder({ ...attributes, suppressEmptyNode: true, format: true }).build(document);
}

interface Suite {
  '@name': string;
  '@tests': number;
  '@failures': number;
  '@errors': number;
  '@skipped': number;
  '@time': string;
  testcase: object[];
}

type Mapping = 'passed' | 'failure' | 'error' | 'skipped';

const MAPPING: Record<CaseResult['verdict'], Mapping> = {
  pass: 'passed',
  fail: 'failure',
  xpass: 'failure',
  inconclusive: 'error',
  flaky: 'error',
  error: 'error',
  skip: 'skipped',
  xfail: 'skipped',
};

function suite({ id, title, cases }: RequirementResult): Suite {
  const count = (mapping: Mapping): number => cases.filter(({ verdict }) => MAPPING[verdict] === mapping).length;
  return {
    '@name': clean(`${id}: ${title}`),
    '@tests': cases.length,
    '@failures': count('failure'),
    '@errors': count('error'),
    '@skipped': count('skipped'),
    '@time': inSeconds(cases.reduce((sum, { durationMs }) => sum + (durationMs ?? 0), 0)),
    testcase: cases.map((each) => testcase(id, each)),
  };
}

function testcase(requirement: string, { key, title, verdict, durationMs, reason, evidence }: CaseResult): object {
  const mapping = MAPPING[verdict];
  const broke = mapping === 'failure' || mapping === 'error';
  const text = clean(reason ?? verdict);
  const properties = Object.entries(evidence).map(([name, value]) => ({
    '@name': clean(`evidence.${name}`),
    '@value': clean(String(value)),
  }));
  return {
    '@classname': clean(`syncproof.${requirement}`),
    '@name': clean(key === title ? key : `${key} ${title}`),
    '@time': inSeconds(durationMs ?? 0),
    ...(properties.length > 0 && { properties: { property: properties } }),
    ...(broke && { [mapping]: { '@type': verdict, '@message': oneLine(text), '#text': text } }),
    ...(mapping === 'skipped' && { skipped: { '@message': oneLine(`${verdict}: ${text}`) } }),
  };
}

/** A run that was cut short shows at least one error, whatever its cases said before. */
function incompleteSuite({ run }: RunResult): Suite {
  const text = clean(run.reason ?? 'incomplete');
  return {
    '@name': 'the run itself',
    '@tests': 1,
    '@failures': 0,
    '@errors': 1,
    '@skipped': 0,
    '@time': '0',
    testcase: [
      {
        '@classname': 'syncproof.run',
        '@name': 'the run came to its end',
        '@time': '0',
        error: { '@type': 'incomplete', '@message': oneLine(text), '#text': text },
      },
    ],
  };
}

/** Attribute values lose their line breaks when parsed; the whole text is in the element's body. */
function oneLine(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}

function total(suites: readonly Suite[], key: '@tests' | '@failures' | '@errors' | '@skipped'): number {
  return suites.reduce((sum, each) => sum + each[key], 0);
}

const inSeconds = (ms: number): string => (ms / 1000).toFixed(3);
