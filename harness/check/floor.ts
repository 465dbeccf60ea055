interface Judged {
  evidence: Readonly<Record<string, number | string>>;
  floor: Readonly<Record<string, number>>;
}

/** What a case's evidence lacks of its floor, in words; undefined when it lacks nothing. */
export function unmetFloor({ evidence, floor }: Judged): string | undefined {
  const unmet = Object.entries(floor).flatMap(([name, least]) => {
    const seen = evidence[name];
    return typeof seen === 'number' && seen >= least ? [] : [`${name} is ${seen ?? 'missing'}, needs ${least}`];
  });
  return unmet.length === 0 ? undefined : `Too little evidence: ${unmet.join(', ')}`;
}
