/** Short notices of what was done. */

/** So long one is shown. */
const SHOWN = 6000;

interface Notice {
  id: number;
  text: string;
}

export const notices = $state<Notice[]>([]);
let ids = 0;

export function say(text: string): void {
  const id = (ids += 1);
  notices.push({ id, text });
  setTimeout(() => {
    const at = notices.findIndex((notice) => notice.id === id);
    if (at >= 0) notices.splice(at, 1);
  }, SHOWN);
}
