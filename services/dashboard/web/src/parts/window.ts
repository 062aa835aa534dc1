/** Which lines of a long list are in sight. */

export interface Window {
  /** The first line that is drawn, and the one behind the last. */
  first: number;
  last: number;
  /** Pixels before the first. */
  before: number;
  /** Pixels of all lines. */
  whole: number;
}

/**
 * @param top pixels that are scrolled away.
 * @param height pixels that are in sight.
 * @param line pixels of a line; more than 0.
 * @param count lines.
 * @param beyond lines that are drawn on either side, so that nothing is blank while one scrolls.
 */
export function windowOf(top: number, height: number, line: number, count: number, beyond: number): Window {
  const inSight = Math.ceil(Math.max(0, height) / line) + 1;
  const begin = Math.min(Math.max(0, Math.floor(top / line)), Math.max(0, count - inSight));
  const first = Math.max(0, begin - beyond);
  const last = Math.min(count, begin + inSight + beyond);
  return { first, last, before: first * line, whole: count * line };
}
