/** Times and durations for people. Times are UTC and say so where the date stands. */

/** `2025-01-31 12:00:05` */
export function moment(text: string): string {
  return text.slice(0, 19).replace('T', ' ');
}

/** `12:00:05` */
export function clockTime(text: string): string {
  return text.slice(11, 19);
}

/** The date, when it is another than the one before. */
export function day(text: string): string {
  return text.slice(0, 10);
}

/** `0.3 s`, `21 s`, `4 min 05 s`, `3 h 10 min`, `2 d 4 h`. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long ago `then` was. */
export function ago(then: string, now: Date): string {
  return `${duration(Math.max(0, now.getTime() - Date.parse(then)))} ago`;
}

/** `3.1 MB`: powers of ten, as disks are sold and dpkg counts. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let value = count;
  let unit = 'B';
  for (const next of units) {
    if (value < 999.5) break;
    value /= 1000;
    unit = next;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
