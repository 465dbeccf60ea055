import { everythingArrives } from '../support/redis-outage.ts';
import { suite } from '../support/suite.ts';

const verify = suite();

verify('RES-02/killed-60s', (t) => everythingArrives(t, 'killed', 60));
