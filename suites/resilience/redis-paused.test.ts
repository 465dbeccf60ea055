import { arrivesFloor, everythingArrives, GOES_ON_FLOOR, serviceGoesOn } from '../support/redis-outage.ts';
import { suite } from '../support/suite.ts';

const requirement = suite();

requirement(
  'RES-01',
  {
    variant: 'paused',
    title:
      'Redis stopped (SIGSTOP): it takes connections and answers nothing: uploads answer 2xx within 2 s, search answers, readiness says degraded, nothing crashes.',
    floor: GOES_ON_FLOOR,
  },
  (t) => serviceGoesOn(t, 'paused'),
);

for (const seconds of [10]) {
  requirement(
    'RES-02',
    {
      variant: `paused-${seconds}s`,
      title: `Redis stopped (SIGSTOP): it takes connections and answers nothing, for ${seconds} s: no upload fails, and all are searchable within 10 s of its return.`,
      floor: arrivesFloor(seconds),
    },
    (t) => everythingArrives(t, 'paused', seconds),
  );
}
