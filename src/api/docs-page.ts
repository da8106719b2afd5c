import type { OpenAPIHono } from '@hono/zod-openapi';
import { ERROR_KINDS } from '../errors.ts';
import { escapeHtml, type HtmlPage, htmlPage } from './html-page.ts';
import { PAGE_STYLE } from './page-style.ts';

export type ApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>;

/** What is shown of a JSON schema. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly prefixItems?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly default?: unknown;
}

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema?: Schema; description?: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }>
  >;
}

const STYLE = `${PAGE_STYLE}
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .2rem 1rem 1rem; margin: 0 0 .75rem; }
h2 { font-size: 1.2rem; margin: 1.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: .8rem 0 .2rem; overflow-wrap: anywhere; }
p { margin: .2rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin-top: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; border-top: 1px solid var(--line); }
table { table-layout: fixed; }
th { font-weight: 400; width: 10rem; overflow-wrap: anywhere; }
td:nth-child(2) { width: 40%; }
`;

function typeOf(schema: Schema | undefined): string {
  if (schema === undefined) return '';
  if (schema.$ref !== undefined) {
    const name = escapeHtml(schema.$ref.split('/').at(-1) ?? '');
    return `<a href="#${name}">${name}</a>`;
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map(typeOf).join(' or ');
  if (schema.allOf !== undefined)
    return schema.allOf
      .map(typeOf)
      .filter((text) => text !== '')
      .join(', ');
  if (schema.enum !== undefined) return schema.enum.map((value) => `<code>${escapeHtml(String(value))}</code>`).join(' · ');
  if (schema.prefixItems !== undefined) return `[${schema.prefixItems.map(typeOf).join(', ')}]`;
  if (schema.items !== undefined) return `array of ${typeOf(schema.items)}`;
  return escapeHtml([schema.type ?? ''].flat().join(' or '));
}

function row(name: string, type: string, about: string | undefined): string {
  return `<tr><th scope="row"><code>${escapeHtml(name)}</code></th><td>${type}</td><td>${escapeHtml(about ?? '')}</td></tr>`;
}

function table(rows: readonly string[]): string {
  return rows.length === 0 ? '' : `<table><tbody>${rows.join('\n')}</tbody></table>`;
}

function operationHtml(method: string, path: string, operation: Operation): string {
  const inputs = (operation.parameters ?? []).map(({ name, in: place, required, schema, description }) => {
    const preset = schema?.default === undefined ? '' : `, ${String(schema.default)} unless told`;
    return row(name, typeOf(schema), description ?? schema?.description ?? `${place}${required === true ? '' : ', optional'}${preset}`);
  });
  const body = Object.entries(operation.requestBody?.content ?? {}).map(([type, { schema }]) => row('body', typeOf(schema), type));
  const answers = Object.entries(operation.responses).flatMap(([status, { description, content = {} }]) => {
    const types = Object.entries(content).map(([type, { schema }]) => (schema?.$ref === undefined ? escapeHtml(type) : typeOf(schema)));
    return row(status === 'default' ? 'else' : status, types.join(', '), description);
  });
  const about = [operation.summary, operation.description].filter((text) => text !== undefined).map((text) => `<p>${escapeHtml(text)}</p>`);
  return `<section><h3><code>${method.toUpperCase()} ${escapeHtml(path)}</code></h3>${about.join('')}${table([...inputs, ...body, ...answers])}</section>`;
}

function schemaHtml(name: string, schema: Schema): string {
  const required = new Set(schema.required);
  const rows = Object.entries(schema.properties ?? {}).map(([key, property]) =>
    row(required.has(key) ? key : `${key}?`, typeOf(property), property.description),
  );
  const about = schema.properties === undefined ? typeOf(schema) : escapeHtml(schema.description ?? '');
  return `<section id="${escapeHtml(name)}"><h3>${escapeHtml(name)}</h3><p>${about}</p>${table(rows)}</section>`;
}

/** The API's description as a page, made from the OpenAPI document and the table of errors. */
export function docsPage(document: ApiDocument): HtmlPage {
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Readonly<Record<string, Operation>>).map(([method, operation]) => operationHtml(method, path, operation)),
  );
  const schemas = Object.entries((document.components?.schemas ?? {}) as Readonly<Record<string, Schema>>).map(([name, schema]) =>
    schemaHtml(name, schema),
  );
  const errors = Object.entries(ERROR_KINDS).map(([code, { status, title, hint }]) => row(code, String(status), `${title}. ${hint}`));
  const body = `<header><h1>Seekwell API</h1><a href="openapi.json">openapi.json</a><a href="../">Entries</a></header>
<main>
<p>${escapeHtml(document.info.description ?? '')}</p>
${operations.join('\n')}
<h2>Shapes</h2>
${schemas.join('\n')}
<h2>Errors</h2>
<section>${table(errors)}</section>
</main>`;
  return htmlPage({ title: 'Seekwell API', style: STYLE, body });
}
