/** The icon: three bars, of which one is done. */
export const ICON =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20"><rect width="20" height="20" rx="5" fill="#1f53c5"/><path d="M5 6.5h10M5 10h7M5 13.5h4" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>`;
