/**
 * Which URLs may be registered. What is let in here is later given to git or apt as an argument or a line of configuration, so
 * everything that either could take for something else is refused: names that begin with `-`, helpers like `ext::`, spaces,
 * control characters, passwords.
 * @see git-clone(1) "GIT URLS", gitremote-helpers(7), sources.list(5)
 */

export interface UrlProblem {
  readonly problem: string;
  readonly expected: string;
  readonly remedy: string;
}

const MAX_URL = 1000;
const GIT_URL = 'https://HOST/PATH or ssh://USER@HOST/PATH';
const APT_URL = 'http://HOST/PATH, https://HOST/PATH or file:///PATH';

/** What is wrong with the URL of a Git repository; undefined when nothing is. */
export function gitUrlProblem(text: string, allowFile: boolean): UrlProblem | undefined {
  const expected = allowFile ? `${GIT_URL}, or file:///PATH` : GIT_URL;
  const wrong = (
    problem: string,
    remedy = 'write the URL of the Git repository in one of these forms',
  ): UrlProblem => ({
    problem,
    expected,
    remedy,
  });
  const form = formProblem(text);
  if (form !== undefined) return wrong(form);
  if (/^[a-z0-9+.-]+::/i.test(text)) {
    return wrong('asks for a remote helper of git, which can run any program');
  }
  if (/^[^/:]+@[^/:]+:(?!\/\/)/.test(text)) {
    return wrong('is in the short form of ssh', `write it as ssh://${text.replace(':', '/')}`);
  }
  const url = parseUrl(text);
  if (url === undefined) {
    return text.startsWith('/')
      ? wrong(
          'is a path',
          allowFile ? `write it as file://${text}` : 'a path on this machine needs allow-file = true and file:///PATH',
        )
      : wrong('is no URL');
  }
  const place = placeProblem(text, url);
  switch (url.protocol) {
    case 'file:':
      if (!allowFile) {
        return wrong('reads from this machine', 'add allow-file = true to this Git repository if that is meant');
      }
      return place === undefined ? filePathProblem(text, url, wrong) : wrong(place);
    case 'https:':
      if (url.username !== '' || url.password !== '') {
        return wrong(
          'holds a name or a password',
          'take it out of the URL: it would be shown to everybody who may see the URL',
        );
      }
      return place === undefined ? undefined : wrong(place);
    case 'ssh:':
      if (url.password !== '') {
        return wrong('holds a password', 'take it out of the URL and let ssh use a key');
      }
      if (!/^[a-z0-9_][a-z0-9_.-]*$/i.test(url.username || 'git')) return wrong('has a strange user name');
      return place === undefined ? undefined : wrong(place);
    default:
      return wrong(`has the scheme ${url.protocol.slice(0, -1)}, which is not allowed`);
  }
}

/** What is wrong with the URI of an apt repository; undefined when nothing is. */
export function aptUriProblem(text: string): UrlProblem | undefined {
  const wrong = (problem: string, remedy = 'write it as it stands in a line of sources.list'): UrlProblem => ({
    problem,
    expected: APT_URL,
    remedy,
  });
  const form = formProblem(text);
  if (form !== undefined) return wrong(form);
  const url = parseUrl(text);
  if (url === undefined) return wrong('is no URL');
  if (url.username !== '' || url.password !== '') {
    return wrong('holds a name or a password', 'take it out of the URL: it would be in every build job');
  }
  if (/[[\]]/.test(text)) return wrong('holds a bracket, which apt takes for the beginning of options');
  const place = placeProblem(text, url);
  if (place !== undefined) return wrong(place);
  switch (url.protocol) {
    case 'http:':
    case 'https:':
      return undefined;
    case 'file:':
      return filePathProblem(text, url, wrong);
    default:
      return wrong(`has the scheme ${url.protocol.slice(0, -1)}, which is not allowed`);
  }
}

function formProblem(text: string): string | undefined {
  if (text === '') return 'is empty';
  if (text.length > MAX_URL) return `is longer than ${MAX_URL} characters`;
  if (text.startsWith('-')) return 'begins with a hyphen, which a program could take for an option';
  if (/[^\x21-\x7e]/.test(text)) return 'holds a space, a control character or one that is not ASCII';
  if (/["'`\\<>^{|}$;]/.test(text)) return 'holds a character that has no place in a URL';
  return undefined;
}

/** Host, path and what follows them, by the rules that hold for every scheme. */
function placeProblem(text: string, url: URL): string | undefined {
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(text)) return 'has a query or a fragment';
  // The parser resolves and repairs silently; what a program is given is the text itself.
  const path = text.replace(/^[a-z]+:\/\/[^/]*/i, '');
  if (!/^[a-z]+:\/\//i.test(text)) return 'lacks // after its scheme';
  if (/^[a-z]+:\/\/[^/]*:(\/|$)/i.test(text)) return 'has an empty port';
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return 'has a broken % sequence';
  }
  if (/[\u0000-\u001f\u007f]/.test(decoded)) return 'holds an encoded control character';
  if (decoded.includes('//')) return 'has an empty part in its path';
  if (decoded.includes('::')) return 'has :: in its path';
  if (decoded.split('/').some((part) => part === '..' || part === '.')) return 'has . or .. in its path';
  if (decoded.split('/').some((part) => part.startsWith('-')))
    return 'has a part of its path that begins with a hyphen';
  if (url.protocol !== 'file:' && !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$|^\[[0-9a-f:.]+\]$/i.test(url.hostname)) {
    return 'has no usable host name';
  }
  return undefined;
}

function filePathProblem(text: string, url: URL, wrong: (problem: string) => UrlProblem): UrlProblem | undefined {
  if (url.hostname !== '' || !text.startsWith('file:///')) return wrong('names a host for a file');
  return url.pathname === '/' ? wrong('names no folder') : undefined;
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
