import { suite } from '../runner/suite.ts';
import { bearsErrors } from './errors.ts';
import { REDIS_OUTAGE } from './requirements.ts';
import { searchesGoOn } from './searches.ts';
import {
  everythingArrives,
  goesOnWithNewConnections,
  noticesAndResumes,
  serviceGoesOn,
  survivesSuspension,
} from './steps.ts';

const verify = suite(REDIS_OUTAGE);

verify(
  'RES-01/killed',
  'Redis killed: uploads answer 2xx within 2 s, search answers, readiness says degraded, nothing crashes.',
  (t) => serviceGoesOn(t, 'killed'),
);
verify(
  'RES-01/paused',
  'Redis stopped (SIGSTOP): it accepts connections and answers nothing: uploads answer 2xx within 2 s, search answers, readiness says degraded, nothing crashes.',
  (t) => serviceGoesOn(t, 'paused'),
);
verify(
  'RES-01/refused',
  'Redis unreachable, connections refused: uploads answer 2xx within 2 s, search answers, readiness says degraded, nothing crashes.',
  (t) => serviceGoesOn(t, 'refused'),
);
verify(
  'RES-01/blackholed',
  'Redis unreachable, bytes silently dropped: uploads answer 2xx within 2 s, search answers, readiness says degraded, nothing crashes.',
  (t) => serviceGoesOn(t, 'blackholed'),
);
verify(
  'RES-02/killed-1s',
  'Redis killed, for 1 s: no upload fails, and all are searchable within 10 s of its recovery.',
  (t) => everythingArrives(t, 'killed', 1),
);
verify(
  'RES-02/killed-10s',
  'Redis killed, for 10 s: no upload fails, and all are searchable within 10 s of its recovery.',
  (t) => everythingArrives(t, 'killed', 10),
);
verify(
  'RES-02/killed-60s',
  'Redis killed, for 60 s: no upload fails, and all are searchable within 10 s of its recovery.',
  (t) => everythingArrives(t, 'killed', 60),
);
verify(
  'RES-02/paused-10s',
  'Redis stopped (SIGSTOP): it accepts connections and answers nothing, for 10 s: no upload fails, and all are searchable within 10 s of its recovery.',
  (t) => everythingArrives(t, 'paused', 10),
);
verify(
  'RES-02/refused-10s',
  'Redis unreachable, connections refused, for 10 s: no upload fails, and all are searchable within 10 s of its recovery.',
  (t) => everythingArrives(t, 'refused', 10),
);
verify(
  'RES-02/blackholed-10s',
  'Redis unreachable, bytes silently dropped, for 10 s: no upload fails, and all are searchable within 10 s of its recovery.',
  (t) => everythingArrives(t, 'blackholed', 10),
);
verify(
  'RES-05/redis',
  'Redis is suspended for 30 s (SIGSTOP) while writes go on: all is applied at most 5 s after it resumes.',
  (t) => survivesSuspension(t, 'redis'),
);
verify(
  'RES-05/query',
  'The consumer is suspended for 30 s (SIGSTOP) while writes go on: all is applied at most 5 s after it resumes.',
  (t) => survivesSuspension(t, 'query'),
);
verify(
  'RES-05/admin',
  'The producer (admin) is suspended for 30 s (SIGSTOP) while writes go on: all is applied at most 5 s after it resumes.',
  (t) => survivesSuspension(t, 'admin'),
);
verify(
  'RES-06/both',
  'Bytes between query and Redis are dropped in both directions: query reports it, and resumes afterwards.',
  (t) => noticesAndResumes(t),
);
verify(
  'RES-06/requests',
  'Requests of query to Redis are dropped, replies pass: query reports it, and resumes afterwards.',
  (t) => noticesAndResumes(t, 'requests'),
);
verify(
  'RES-06/replies',
  'Replies of Redis to query are dropped, requests pass: query reports it, and resumes afterwards.',
  (t) => noticesAndResumes(t, 'replies'),
);
verify(
  'RES-06/forgotten',
  'The open connections of query to Redis become half-open, new ones are established: query resumes.',
  goesOnWithNewConnections,
);
verify(
  'RES-07/oom',
  'Redis answers OOM, since it is out of memory: changes go on, the error is reported, nothing spins, all arrives once it is over.',
  (t) => bearsErrors(t, 'OOM'),
);
verify(
  'RES-07/misconf',
  'Redis answers MISCONF, since it cannot save its data: changes go on, the error is reported, nothing spins, all arrives once it is over.',
  (t) => bearsErrors(t, 'MISCONF'),
);
verify(
  'RES-07/readonly',
  'Redis answers READONLY, since it has become a replica: changes go on, the error is reported, nothing spins, all arrives once it is over.',
  (t) => bearsErrors(t, 'READONLY'),
);
verify(
  'RES-07/loading',
  'Redis answers LOADING, since it is loading its data: changes go on, the error is reported, nothing spins, all arrives once it is over.',
  (t) => bearsErrors(t, 'LOADING'),
);
verify(
  'RES-07/noperm',
  'Redis answers NOPERM, since access to streams was revoked: changes go on, the error is reported, nothing spins, all arrives once it is over.',
  (t) => bearsErrors(t, 'NOPERM'),
);
verify(
  'RES-07/busy',
  'Redis answers BUSY, since a script never ends: changes go on, the error is reported, nothing spins, all arrives once it is over.',
  (t) => bearsErrors(t, 'BUSY'),
);
verify('RES-11/killed', 'Redis is killed under searches: none fails, none is late.', (t) => searchesGoOn(t, 'killed'));
verify('RES-11/paused', 'Redis is stopped (SIGSTOP) under searches: none fails, none is late.', (t) =>
  searchesGoOn(t, 'paused'),
);
