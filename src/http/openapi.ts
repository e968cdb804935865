/** The description of the API, made from the routes and from nothing else. The committed openapi.json is held to it by a test. */
import { OpenAPIHono } from '@hono/zod-openapi';
import { ACCESS_FIELD } from '../contract/access.ts';
import { API_ROUTES } from '../contract/api.ts';
import { CONTRACT_VERSION } from '../contract/version.ts';

type Document = ReturnType<OpenAPIHono['getOpenAPI31Document']>;

let made: Document | undefined;

export function openApiDocument(): Document {
  made ??= describe();
  return made;
}

function describe(): Document {
  const app = new OpenAPIHono();
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of a person (lf_…), of a worker (lfw_…), or a one-time join token (lfj_…)',
  });
  for (const route of API_ROUTES) app.openAPIRegistry.registerPath(route);
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Landfall',
      version: CONTRACT_VERSION,
      description:
        'From a signed Git tag to a signed Debian archive. Errors are problem documents (RFC 9457) with code, detail and ' +
        `remedy. ${ACCESS_FIELD} says who may use a route; what a caller's audience may not see is answered with 404.`,
    },
  });
}
