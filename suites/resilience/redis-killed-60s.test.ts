import { arrivesFloor, everythingArrives } from '../support/redis-outage.ts';
import { suite } from '../support/suite.ts';

const requirement = suite();
const SECONDS = 60;

requirement(
  'RES-02',
  {
    variant: `killed-${SECONDS}s`,
    title: `Redis killed, for ${SECONDS} s: no upload fails, and all are searchable within 10 s of its return.`,
    floor: arrivesFloor(SECONDS),
    timeoutMs: 120_000,
  },
  (t) => everythingArrives(t, 'killed', SECONDS),
);
