import { redactedUrl } from '../core/redacted-url.ts';

/** `text` with each URL in it as it may be shown: for messages of errors that are not ours. */
export function redactedText(text: string): string {
  return text.replaceAll(/https?:\/\/[^\s'"<>)]+/gi, (url) => redactedUrl(url));
}
