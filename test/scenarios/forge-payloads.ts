/**
 * What forges send when a tag is pushed: headers and bodies in the shape that each of them documents, with the signature or the
 * token that a secret gives.
 */
import { createHmac } from 'node:crypto';

export type ForgeName = 'gitlab' | 'forgejo' | 'gitea' | 'github' | 'github create' | 'gitea create';
export const FORGES: readonly ForgeName[] = ['gitlab', 'forgejo', 'gitea', 'github', 'github create', 'gitea create'];

export interface ForgeRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface PushFacts {
  /** `forge.example.org` */
  readonly host: string;
  /** `group/hello` */
  readonly path: string;
  /** The tag's name, without refs/tags/. */
  readonly tag: string;
  readonly objectId?: string;
  readonly secret?: string | undefined;
  readonly removed?: boolean;
}

const NONE = '0'.repeat(40);

export function forgeRequest(forge: ForgeName, facts: PushFacts): ForgeRequest {
  const body = JSON.stringify(bodyOf(forge, facts));
  const { secret } = facts;
  const hmac = secret === undefined ? '' : createHmac('sha256', secret).update(body).digest('hex');
  const delivery = 'f6266f16-1bf3-46a5-9ea4-602e06ead473';
  const type = { 'content-type': 'application/json' };
  const event = forge.endsWith('create') ? 'create' : 'push';
  switch (forge) {
    case 'gitlab':
      return {
        body,
        headers: {
          ...type,
          'user-agent': 'GitLab/17.11.1-ee',
          'x-gitlab-event': 'Tag Push Hook',
          'x-gitlab-event-uuid': delivery,
          'x-gitlab-instance': `https://${facts.host}`,
          ...(secret === undefined ? {} : { 'x-gitlab-token': secret }),
        },
      };
    case 'forgejo':
    case 'gitea':
    case 'gitea create': {
      const gitea = {
        'x-github-delivery': delivery,
        'x-github-event': event,
        'x-gogs-delivery': delivery,
        'x-gogs-event': event,
        'x-gitea-delivery': delivery,
        'x-gitea-event': event,
        'x-gitea-event-type': event,
        'x-gitea-signature': hmac,
        'x-gogs-signature': hmac,
        'x-hub-signature-256': `sha256=${hmac}`,
      };
      const forgejo = { 'x-forgejo-delivery': delivery, 'x-forgejo-event': event, 'x-forgejo-signature': hmac };
      const signed = secret === undefined ? [] : ['x-gitea-signature', 'x-hub-signature-256', 'x-forgejo-signature'];
      const all = Object.entries({ ...gitea, ...(forge === 'forgejo' ? forgejo : {}) });
      return {
        body,
        headers: {
          ...type,
          ...Object.fromEntries(all.filter(([name]) => !name.includes('signature') || signed.includes(name))),
        },
      };
    }
    case 'github':
    case 'github create':
      return {
        body,
        headers: {
          ...type,
          'user-agent': 'GitHub-Hookshot/044aadd',
          'x-github-delivery': delivery,
          'x-github-event': event,
          'x-github-hook-id': '292430182',
          ...(secret === undefined ? {} : { 'x-hub-signature-256': `sha256=${hmac}` }),
        },
      };
  }
}

/** The same message as the field of a form, as GitHub sends it unless told otherwise. */
export function asForm(request: ForgeRequest, secret?: string): ForgeRequest {
  const body = new URLSearchParams({ payload: request.body }).toString();
  const signature = secret === undefined ? undefined : createHmac('sha256', secret).update(body).digest('hex');
  return {
    body,
    headers: {
      ...request.headers,
      'content-type': 'application/x-www-form-urlencoded',
      ...(signature === undefined ? {} : { 'x-hub-signature-256': `sha256=${signature}` }),
    },
  };
}

function bodyOf(forge: ForgeName, facts: PushFacts): unknown {
  const { host, path, tag } = facts;
  const after = facts.removed === true ? NONE : (facts.objectId ?? '82b3d5ae55f7080f1e6022629cdb57bfae7cccc7');
  const name = path.slice(path.lastIndexOf('/') + 1);
  const web = `https://${host}/${path}`;
  switch (forge) {
    case 'gitlab': {
      const urls = { git_http_url: `${web}.git`, git_ssh_url: `git@${host}:${path}.git` };
      return {
        object_kind: 'tag_push',
        event_name: 'tag_push',
        before: NONE,
        after,
        ref: `refs/tags/${tag}`,
        ref_protected: true,
        checkout_sha: facts.removed === true ? null : '7e4814137ae5a624f4284f1b85577b6f50f21003',
        message: 'hello release',
        user_id: 1,
        user_name: 'Alice Maintainer',
        user_username: 'alice',
        user_email: '[REDACTED]',
        project_id: 15,
        project: {
          id: 15,
          name,
          description: '',
          web_url: web,
          avatar_url: null,
          ...urls,
          namespace: path.split('/')[0],
          visibility_level: 0,
          path_with_namespace: path,
          default_branch: 'main',
          homepage: web,
          url: urls.git_ssh_url,
          ssh_url: urls.git_ssh_url,
          http_url: urls.git_http_url,
        },
        commits: [],
        total_commits_count: 0,
        push_options: {},
        repository: { name, url: urls.git_ssh_url, description: '', homepage: web, ...urls, visibility_level: 0 },
      };
    }
    case 'forgejo':
    case 'gitea':
      return {
        ref: `refs/tags/${tag}`,
        before: NONE,
        after,
        compare_url: `${web}/compare/a...b`,
        commits: [],
        total_commits: 0,
        head_commit: null,
        repository: repositoryOf(facts, name, web),
        pusher: { id: 1, login: 'alice', full_name: 'Alice Maintainer', email: 'alice@example.org' },
        sender: { id: 1, login: 'alice' },
      };
    case 'gitea create':
      return {
        sha: after,
        ref: tag,
        ref_type: 'tag',
        repository: repositoryOf(facts, name, web),
        sender: { id: 1, login: 'alice' },
      };
    case 'github':
      return {
        ref: `refs/tags/${tag}`,
        before: NONE,
        after,
        created: facts.removed !== true,
        deleted: facts.removed === true,
        forced: false,
        base_ref: null,
        compare: `${web}/compare/${tag}`,
        commits: [],
        head_commit: null,
        repository: repositoryOf(facts, name, web),
        pusher: { name: 'alice', email: 'alice@example.org' },
        sender: { login: 'alice', id: 1, type: 'User', site_admin: false },
      };
    case 'github create':
      return {
        ref: tag,
        ref_type: 'tag',
        master_branch: 'main',
        description: null,
        pusher_type: 'user',
        repository: repositoryOf(facts, name, web),
        sender: { login: 'alice', id: 1, type: 'User', site_admin: false },
      };
  }
}

function repositoryOf({ host, path }: PushFacts, name: string, web: string) {
  return {
    id: 186_853_002,
    name,
    full_name: path,
    private: false,
    owner: { login: path.split('/')[0], id: 7, url: `https://${host}/api/users/1` },
    html_url: web,
    url: `https://${host}/api/repos/${path}`,
    git_url: `git://${host}/${path}.git`,
    ssh_url: `git@${host}:${path}.git`,
    clone_url: `${web}.git`,
    default_branch: 'main',
  };
}
