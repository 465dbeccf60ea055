import fc from 'fast-check';

/** In ASCII, and with the length, of which the eye sees nothing. */
export function written(name: string): string {
  const ascii = JSON.stringify(name).replaceAll(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const characters = [...name].length;
  return ascii.length <= 100
    ? `${ascii} (${characters} characters)`
    : `${ascii.slice(0, 100)}… (${characters} characters)`;
}

/** Forms write line ends and quotes of names in more than one way, so that an upload of them says nothing of the name. */
export function hasOneForm(name: string): boolean {
  return !/[\r\n]|%22|%0[ad]/i.test(name);
}

export function hostileNames(unique: string): string[] {
  const long = (characters: number): string => unique.padEnd(characters, 'n');
  return [
    `${unique}.txt`,
    // What texts of PostgreSQL and UTF-8 have no form for.
    ...[
      '\0',
      'NUL\0inside.txt',
      '\ud83d',
      `${unique} high \ud83d.txt`,
      `${unique} low \ude00.txt`,
      `${unique} \ude00\ud83d`,
    ],
    // One name to the eye, and more than one to a computer.
    ...[
      `${unique} caf\u00e9.txt`,
      `${unique} cafe\u0301.txt`,
      `${unique} \u212b`,
      `${unique} \u00c5`,
      `${unique} \ufb01`,
    ],
    ...[
      `${unique} \ud55c\uae00`,
      `${unique} \u1112\u1161\u11ab\u1100\u1173\u11af`,
      `${unique} Stra\u00dfe`,
      `${unique} STRASSE`,
    ],
    // Around the lengths at which columns and file systems end, in characters and in bytes.
    ...[255, 256, 257, 500, 501, 1000, 1001, 1024, 2047, 2048, 2049, 4096, 5000, 100_000].map(long),
    ...['\u{1f600}'.repeat(255), '\u{1f600}'.repeat(256), '\u00e9'.repeat(1024), `${unique}.${'x'.repeat(300)}`],
    `${unique} \u{1f469}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466}\u{1f3f3}\ufe0f\u200d\u{1f308}`,
    // Written from right to left, or in no direction.
    ...[
      `${unique} \u05e9\u05dc\u05d5\u05dd.txt`,
      `${unique} \u202egpj.exe`,
      `\u200f${unique}`,
      `${unique}\u200b`,
      `\ufeff${unique}`,
    ],
    ...[`${unique} \ufffd`, `${unique} \uffff`, `${unique} \u{10ffff}`, `${unique} e${'\u0301'.repeat(100)}`],
    // Paths.
    ...[
      `../../${unique}`,
      `/etc/${unique}`,
      `C:\\temp\\${unique}`,
      `${unique}/a\\b`,
      `./${unique}`,
      `${unique}/`,
      '/',
      '\\',
    ],
    ...['.', '..', '...', '', ' ', '   ', '~', 'CON', 'nul.txt', '-rf', `${unique}.`],
    // Characters that are no text.
    ...[`${unique} \t tab`, `${unique} \r\n lines`, `${unique} \x01\x02\x1b[31m`, `${unique} \x7f\x85`, `\n${unique}`],
    ...[` ${unique}`, `${unique} `, `\u00a0${unique}\u3000`, `${unique}  two  spaces`, `${unique} \u2028 line`],
    // What means something where it is written without care.
    ...[`${unique} "double" 'single'`, `${unique} %00 %2e%2e%2f %22`, `${unique} <script>`, `${unique} ;filename="x"`],
  ];
}

/** Any code points, and those that hurt more often than they would come by chance; some of them very long. */
export function generatedNames(unique: string): fc.Arbitrary<string> {
  const hurting = [
    '\0',
    '\ud800',
    '\udfff',
    '\u0301',
    '\u200d',
    '\u202e',
    '/',
    '\\',
    '"',
    '\x1f',
    '\u{1f600}',
    ' ',
    '.',
    '%',
  ];
  const character = fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), fc.constantFrom(...hurting));
  const text = fc.array(character, { minLength: 1, maxLength: 20 }).map((characters) => characters.join(''));
  return fc
    .tuple(text, fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 60 })))
    .map(([part, times]) => `${unique} ${part.repeat(times)}`);
}
