/** Light, dark, or as the machine has it. */

const KEPT = "miyabi-theme";
export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

let theme = $state<Theme>("auto");

export function currentTheme(): Theme {
  return theme;
}

export function chooseTheme(wanted: Theme): void {
  theme = wanted;
  document.documentElement.dataset["theme"] = wanted;
  localStorage.setItem(KEPT, wanted);
}

export function beginTheme(): void {
  chooseTheme(THEMES.find((known) => known === localStorage.getItem(KEPT)) ?? "auto");
}

/** Whether it is dark now; charts are drawn anew when it changes. */
export function isDark(): boolean {
  return theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
}
