/** The frame of every page. */
import type { Child } from 'hono/jsx';

export interface LayoutProps {
  readonly title: string;
  /** Address of the page's JSON twin. */
  readonly json?: string;
  readonly children?: Child;
}

export function Layout({ title, json, children }: LayoutProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{`${title} · Landfall`}</title>
        <link rel="stylesheet" href="/style.css" />
        {json === undefined ? null : <link rel="alternate" type="application/json" href={json} />}
      </head>
      <body>
        <header>
          <div>
            <a class="name" href="/">
              Landfall
            </a>
            <nav aria-label="Pages">
              <a href="/tags">Tags</a>
              <a href="/builds">Builds</a>
              <a href="/snapshots">Snapshots</a>
              <a href="/git">Git</a>
            </nav>
            <form action="/where" method="get" role="search">
              <input type="search" name="package" aria-label="Package" placeholder="Where is my package?" required />
              <button type="submit">Look</button>
            </form>
          </div>
        </header>
        <main>{children}</main>
        <footer>
          {json === undefined ? null : (
            <>
              <a href={json}>This page as JSON</a> ·{' '}
            </>
          )}
          All times are UTC.
        </footer>
      </body>
    </html>
  );
}
