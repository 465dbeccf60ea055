import { arrivesFloor, everythingArrives, GOES_ON_FLOOR, serviceGoesOn } from '../support/redis-outage.ts';
import { suite } from '../support/suite.ts';

const requirement = suite();

requirement(
  'RES-01',
  {
    variant: 'refused',
    title:
      'Redis unreachable, connections refused: uploads answer 2xx within 2 s, search answers, readiness says degraded, nothing crashes.',
    floor: GOES_ON_FLOOR,
  },
  (t) => serviceGoesOn(t, 'refused'),
);

for (const seconds of [10]) {
  requirement(
    'RES-02',
    {
      variant: `refused-${seconds}s`,
      title: `Redis unreachable, connections refused, for ${seconds} s: no upload fails, and all are searchable within 10 s of its return.`,
      floor: arrivesFloor(seconds),
    },
    (t) => everythingArrives(t, 'refused', seconds),
  );
}
