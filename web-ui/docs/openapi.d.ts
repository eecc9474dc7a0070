// As much of OpenAPI 3.1 as the service's document uses.

export interface Schema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  format?: string;
  enum?: (string | number | null)[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  additionalProperties?: boolean | Schema;
  minimum?: number;
  maximum?: number;
  maxItems?: number;
  pattern?: string;
  example?: unknown;
}

export interface Parameter {
  name: string;
  in: string;
  description?: string;
  required?: boolean;
  schema?: Schema;
  example?: unknown;
}

export interface Media {
  schema?: Schema;
  example?: unknown;
  examples?: Record<string, { summary?: string; value?: unknown }>;
}

export interface Reference {
  $ref: string;
  description?: string;
}

export interface Header {
  description?: string;
  schema?: Schema;
}

export interface Answer {
  description?: string;
  headers?: Record<string, Header | Reference>;
  content?: Record<string, Media>;
}

export interface OperationObject {
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: Parameter[];
  requestBody?: { description?: string; content: Record<string, Media> };
  responses: Record<string, Answer | Reference>;
}

export interface OpenApi {
  info: { version: string; description?: string };
  tags: { name: string; description?: string }[];
  paths: Record<string, Record<string, OperationObject>>;
  components: { schemas: Record<string, Schema>; responses?: Record<string, Answer>; headers?: Record<string, Header> };
}

/** An answer without references. */
export interface ResolvedAnswer extends Answer {
  headers: Record<string, Header>;
}

/** An operation and where it is. */
export interface Described {
  method: string;
  path: string;
  operation: Omit<OperationObject, 'responses'> & { responses: Record<string, ResolvedAnswer> };
}
