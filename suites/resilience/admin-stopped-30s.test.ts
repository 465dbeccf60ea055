import { standsStill, standsStillFloor } from '../support/standstill.ts';
import { suite } from '../support/suite.ts';

const requirement = suite();

requirement(
  'RES-05',
  {
    variant: 'admin',
    title:
      'The producer (admin) stands still for 30 s (SIGSTOP) while writes go on: all is applied at most 5 s after it continues.',
    floor: standsStillFloor('admin'),
    timeoutMs: 90_000,
  },
  (t) => standsStill(t, 'admin'),
);
