/** The pages: server-made HTML that works without JavaScript. */
export { createPages } from './routes.tsx';
export type { ListFilter, Views } from './views.ts';
