// The import rules of docs/explanation/layout.md. A module may import what stands before it on the path, never after it.
const PATH = ['permissions', 'registry', 'tags', 'sources', 'builds', 'archive'];
const DOMAIN = `^src/(${PATH.join('|')})/`;
const ALWAYS = '^src/(debian|platform)/';

/** A rule that allows modules below `from` only the modules below `to` (and their own files). */
function only(name, from, to) {
  return {
    name,
    severity: 'error',
    from: { path: `^src/${from}/`, pathNot: '\\.test\\.tsx?$' },
    to: { path: '^(src|test|bench)/', pathNot: [`^src/${from}/`, ...to] },
  };
}

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    only('debian-is-pure', 'debian', []),
    only('platform-stands-alone', 'platform', []),
    only('contract-knows-formats-only', 'contract', ['^src/debian/']),
    only('lighthouse-knows-no-debian', 'lighthouse', ['^src/platform/']),
    ...PATH.map((module, position) =>
      only(`${module}-looks-back-only`, module, [
        ALWAYS,
        '^src/lighthouse/index\\.ts$',
        ...PATH.slice(0, position).map((earlier) => `^src/${earlier}/index\\.ts$`),
      ]),
    ),
    only('trace-reads', 'trace', [ALWAYS]),
    only('http-calls-services', 'http', [
      '^src/contract/',
      `${DOMAIN}index\\.ts$`,
      '^src/lighthouse/index\\.ts$',
      '^src/trace/',
      '^src/web/',
      '^src/platform/(?!database)',
      '^src/debian/',
    ]),
    only('web-shows', 'web', [
      '^src/contract/',
      `${DOMAIN}index\\.ts$`,
      '^src/lighthouse/index\\.ts$',
      '^src/trace/',
      '^src/platform/(?!database)',
      '^src/debian/',
    ]),
    // What a person verifies without any server is verified by the server's own code.
    only('cli-talks-to-the-api', 'cli', [
      '^src/contract/',
      '^src/debian/',
      '^src/platform/(?!database)',
      '^src/tags/evidence\\.ts$',
    ]),
    only('worker-has-no-database', 'worker', [
      '^src/contract/',
      '^src/debian/',
      '^src/platform/(?!database)',
      '^src/sources/recipe\\.ts$',
    ]),
    only('signer-has-no-database', 'signer', ['^src/contract/', '^src/debian/', '^src/platform/(?!database)']),
    {
      name: 'nobody-imports-app',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(app|bin)/' },
      to: { path: '^src/(app|bin)/' },
    },
    {
      name: 'code-never-imports-tests',
      severity: 'error',
      from: { path: '^(src|bench)/', pathNot: '\\.test\\.tsx?$' },
      to: { path: ['\\.test\\.tsx?$', '^test/'] },
    },
    { name: 'only-declared-packages', severity: 'error', from: {}, to: { dependencyTypes: ['npm-no-pkg', 'unknown'] } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.js'],
      conditionNames: ['import', 'node', 'default', 'types'],
      exportsFields: ['exports'],
    },
  },
};
