/** The variable that names a Chromium or Chrome for the browser tests, instead of looking for one. */
export const CHROMIUM_VARIABLE = 'SYNCPROOF_CHROMIUM';

/** Path of the browser to use, as SYNCPROOF_CHROMIUM names it. */
export function chromiumSetting(): string | undefined {
  return process.env[CHROMIUM_VARIABLE] || undefined;
}
