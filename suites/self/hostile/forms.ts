/** A form of which every byte counts, sent whole. */
export interface HostileForm {
  what: string;
  /** Absent: the one that goes with `BOUNDARY`. */
  contentType?: string;
  body: string | Buffer;
  status: number;
  /** What the answer says: the problem's detail, or the name of the file that was taken. */
  says: RegExp | string;
}

const BOUNDARY = 'b';
export const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
export const END = `--${BOUNDARY}--\r\n`;
export const FILE_HEADER = 'form-data; name="file"; filename="a.txt"';

interface PartChoices {
  disposition?: string;
  /** Further header lines, each with its line end. */
  more?: string;
}

export function filePart({ disposition = FILE_HEADER, more = '' }: PartChoices = {}, content = 'abc'): string {
  return `--${BOUNDARY}\r\nContent-Disposition: ${disposition}\r\n${more}\r\n${content}\r\n`;
}
export function fieldPart(name: string, value: string): string {
  return filePart({ disposition: `form-data; name="${name}"` }, value);
}
const named = (filename: string): string => filePart({ disposition: `form-data; name="file"; filename="${filename}"` });
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

const FILE = filePart();
const FIELD = fieldPart('other', 'x');
const HEADERS = Array.from({ length: 10_000 }, (_, i) => `x-${i}: y\r\n`).join('');
const WITHOUT_END = /ends before its closing boundary/;
const LONG_BOUNDARY = 'x'.repeat(200);
const good = (what: string, body: string | Buffer, says: string = 'a.txt'): HostileForm => {
  return { what, body, status: 201, says };
};
const bad = (what: string, body: string | Buffer, says: RegExp, status = 400): HostileForm => {
  return { what, body, status, says };
};

const COUNTS: readonly HostileForm[] = [
  bad('10,000 fields after the file', FILE + FIELD.repeat(10_000) + END, /fields limit/, 413),
  bad('10,000 fields before the file', FIELD.repeat(10_000) + FILE + END, /fields limit/, 413),
  bad('10,000 files', FILE.repeat(10_000) + END, /^file: must be one file only/),
  bad('two files', FILE + FILE + END, /^file: must be one file only/),
  good('10,000 headers after the one that counts', filePart({ more: HEADERS }) + END),
  bad('10,000 headers before it', `--b\r\n${HEADERS}${FILE.slice(5)}${END}`, /^file: is missing/),
  bad('a header of a megabyte', `--b\r\nx: ${'y'.repeat(1e6)}\r\n${FILE.slice(5)}${END}`, /^file: is missing/),
  bad('a field of 3 MB', fieldPart('description', 'x'.repeat(3e6)) + FILE + END, /^description: /, 413),
  good('one of 3 MB that nobody knows', fieldPart('other', 'x'.repeat(3e6)) + FILE + END),
  bad('a field twice', fieldPart('tags', 'a') + fieldPart('tags', 'b') + FILE + END, /^tags: must be given once/),
];

const BOUNDARIES: readonly HostileForm[] = [
  { ...bad('another boundary', FILE + END, WITHOUT_END), contentType: 'multipart/form-data; boundary=c' },
  { ...bad('no boundary', FILE + END, /must name its boundary/), contentType: 'multipart/form-data' },
  { ...bad('an empty one', FILE + END, WITHOUT_END), contentType: 'multipart/form-data; boundary=' },
  { ...bad('an empty quoted one', FILE + END, WITHOUT_END), contentType: 'multipart/form-data; boundary=""' },
  {
    ...good('one of 200 characters', (FILE + END).replaceAll('--b', `--${LONG_BOUNDARY}`)),
    contentType: `multipart/form-data; boundary=${LONG_BOUNDARY}`,
  },
  bad('line ends of LF only', (FILE + END).replaceAll('\r\n', '\n'), WITHOUT_END),
  bad('line ends of CR only', (FILE + END).replaceAll('\r\n', '\r'), WITHOUT_END),
  good('text before and after the form', `before\r\n${FILE}${END}after`),
  good('an empty line before the form', `\r\n${FILE}${END}`),
  good('a boundary within the file that is none', filePart({}, '\r\n--bc\r\n-- b') + END),
];

const SHAPES: readonly HostileForm[] = [
  bad('no byte', '', /^file: is missing/),
  bad('the end only', END, /^file: is missing/),
  bad('JSON', '{}', WITHOUT_END),
  bad('bytes without sense', Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256)), WITHOUT_END),
  bad('a file without a name of its part', filePart({ disposition: 'form-data; filename="a"' }) + END, /^file: /),
  good('a field without a name', filePart({ disposition: 'form-data' }) + FILE + END),
  good('a part without its disposition', `--b\r\n\r\nabc\r\n${FILE}${END}`),
  bad(
    'another disposition',
    filePart({ disposition: FILE_HEADER.replace('form-data', 'x') }) + END,
    /^file: is missing/,
  ),
  bad('a file in another part', filePart({ disposition: FILE_HEADER.replace('"file"', '"x"') }) + END, /^x: /),
  bad('a field called __proto__', fieldPart('__proto__', 'x') + FILE + END, /prototype property/),
  bad(
    'a file called constructor',
    filePart({ disposition: FILE_HEADER.replace('"file"', '"constructor"') }) + END,
    /prototype/,
  ),
  good(
    'a form in the form',
    filePart({ more: 'Content-Type: multipart/mixed; boundary=c\r\n' }, '--c\r\n\r\n1\r\n--c--') + END,
  ),
  good('an encoding that is not undone', filePart({ more: 'Content-Transfer-Encoding: base64\r\n' }) + END),
  good('a character set that nobody knows', filePart({ more: 'Content-Type: text/plain; charset=x-99\r\n' }) + END),
  bad('a type of 10 kB', filePart({ more: `Content-Type: text/${'a'.repeat(10_000)}\r\n` }) + END, /^content_type: /),
  bad(
    'a field that calls itself JSON',
    filePart({ disposition: 'form-data; name="metadata"', more: 'Content-Type: application/json\r\n' }, '{') +
      FILE +
      END,
    /JSON/,
  ),
  bad('a field that is no UTF-8', latin1(fieldPart('description', '\xff\xfe') + FILE + END), /^description: .*UTF-8/),
  bad('a NUL in a field', fieldPart('description', 'a\0b') + FILE + END, /^description: .*NUL/),
];

/** They are names, no more: to be had back as they are, and never a path. */
const PATHS = ['../../etc/passwd', '/etc/passwd', '%2e%2e%2fx', 'C:/x', '..', '.', '%00', '%5c..%5c', 'a/b/../..'];

const NAMES: readonly HostileForm[] = [
  ...PATHS.map((name) => good(`the name ${name}`, named(name) + END, name)),
  // Within quotes, a backslash escapes: RFC 9110, section 5.6.4.
  good('the name ..\\..\\x', named('..\\\\..\\\\x') + END, '..\\..\\x'),
  good(
    'a name that is encoded',
    filePart({ disposition: `form-data; name="file"; filename*=UTF-8''..%2f..%2fx` }) + END,
    '../../x',
  ),
  bad('a name of 10 kB', named('n'.repeat(10_000)) + END, /^original_filename: .*2048 bytes/),
  bad('a NUL in the name', named('a\0b') + END, /^file: .*NUL/),
  bad('a lone surrogate in the name', latin1(named('a\xed\xa0\x80b') + END), /^file: .*UTF-8/),
  bad('an empty name', named('') + END, /^file: must have a file name/),
];

export const HOSTILE_FORMS: readonly HostileForm[] = [...COUNTS, ...BOUNDARIES, ...SHAPES, ...NAMES];
