import { arrivesFloor, everythingArrives, GOES_ON_FLOOR, serviceGoesOn } from '../support/redis-outage.ts';
import { suite } from '../support/suite.ts';

const requirement = suite();

requirement(
  'RES-01',
  {
    variant: 'killed',
    title: 'Redis killed: uploads answer 2xx within 2 s, search answers, readiness says degraded, nothing crashes.',
    floor: GOES_ON_FLOOR,
  },
  (t) => serviceGoesOn(t, 'killed'),
);

for (const seconds of [1, 10]) {
  requirement(
    'RES-02',
    {
      variant: `killed-${seconds}s`,
      title: `Redis killed, for ${seconds} s: no upload fails, and all are searchable within 10 s of its return.`,
      floor: arrivesFloor(seconds),
    },
    (t) => everythingArrives(t, 'killed', seconds),
  );
}
