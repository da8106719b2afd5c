/** `url` as it may be shown: without user, password, query and fragment. What is not an http or https URL is not shown at all. */
export function redactedUrl(url: string): string {
  if (!URL.canParse(url)) return '(not a URL)';
  const parsed = new URL(url);
  // Other schemes have no host to tell apart from what may be a password: "user:secret@host" parses as one.
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') return '(not a URL)';
  return `${parsed.origin}${parsed.pathname}`;
}
