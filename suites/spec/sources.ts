/** Where rules come from, as far as several of them come from one place. */
export const CONTRACT = 'docs: HTTP and event contract';
export const ORIGINAL = 'the five end-to-end tests this suite grew out of';
export const STREAMS = 'Redis documentation, Streams: consumer groups and the pending entries list';
