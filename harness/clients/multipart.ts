import { randomBytes } from 'node:crypto';

export interface FilePart {
  filename: string;
  contentType: string;
  content: Uint8Array;
}

/**
 * A multipart/form-data body (RFC 7578) of text fields and one file. Built by hand because the platform's FormData
 * percent-encodes quotes in file names, and hostile names must arrive as they are.
 */
export function multipartBody(
  fields: Readonly<Record<string, string>>,
  file: FilePart,
): { body: Buffer; contentType: string } {
  const boundary = `syncproof-${randomBytes(12).toString('hex')}`;
  const parts: (string | Uint8Array)[] = [];
  for (const [name, value] of Object.entries(fields)) {
    parts.push(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`);
  }
  // RFC 9110, 5.6.4: inside a quoted string, a backslash escapes. A line break would end the header: it is sent encoded.
  const filename = file.filename.replaceAll(/["\\]/g, '\\$&').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  parts.push(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\n` +
      `Content-Type: ${file.contentType}\r\n\r\n`,
    file.content,
    `\r\n--${boundary}--\r\n`,
  );
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  return { body, contentType: `multipart/form-data; boundary=${boundary}` };
}
