// A story told through a client in TypeScript, whose types are made from schemas/openapi.json:
// node built/story.js URL KEY

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Problem = components["schemas"]["Problem"];

const [baseUrl, key] = process.argv.slice(2);
assert(baseUrl && key, "node story.js URL KEY");
const client = createClient<paths>({ baseUrl, headers: { "X-API-Key": key } });

/** What a good answer says, and its tag. */
function good<T>(answer: { data?: T; error?: unknown; response: Response }): { body: T; tag: string } {
  assert(answer.response.ok && answer.data !== undefined, JSON.stringify(answer.error));
  return { body: answer.data, tag: answer.response.headers.get("etag") ?? "" };
}

/** What a refusal says. */
function refused(answer: { error?: Problem; response: Response }, status: number): Problem {
  assert.equal(answer.response.status, status, JSON.stringify(answer.error));
  assert(answer.error);
  return answer.error;
}

const contact = good(
  await client.POST("/api/v1/contacts", {
    params: { header: { "Idempotency-Key": "typescript-1" } },
    body: { name: "Olena Koval", company: "Acme" },
  }),
);
const again = await client.POST("/api/v1/contacts", {
  params: { header: { "Idempotency-Key": "typescript-1" } },
  body: { name: "Olena Koval", company: "Acme" },
});
assert.equal(again.data?.id, contact.body.id);
assert.equal(again.response.headers.get("idempotency-replayed"), "true");

const lead = good(
  await client.POST("/api/v1/leads", { body: { source: "partner", contact_id: contact.body.id } }),
);
const id = lead.body.id;
const moved = good(
  await client.PATCH("/api/v1/leads/{id}/stage", {
    params: { path: { id }, header: { "If-Match": lead.tag } },
    body: { stage: "contacted", seen: "new" },
  }),
);
assert.equal(moved.body.stage, "contacted");
const late = refused(
  await client.PATCH("/api/v1/leads/{id}", {
    params: { path: { id }, header: { "If-Match": lead.tag } },
    body: { business_domain: "first" },
  }),
  412,
);
assert.equal(late.field, "If-Match");
const described = good(
  await client.PATCH("/api/v1/leads/{id}", {
    params: { path: { id }, header: { "If-Match": moved.tag } },
    body: { business_domain: "first", contact_id: null },
  }),
);
assert.equal(described.body.contact_id, null);
refused(
  await client.PATCH("/api/v1/leads/{id}/stage", { params: { path: { id } }, body: { stage: "transferred" } }),
  409,
);

const listed = good(
  await client.GET("/api/v1/leads", { params: { query: { stage: "contacted", limit: 500 } } }),
);
assert(listed.body.some((one) => one.id === id && one.version === described.body.version));
const known = await client.GET("/api/v1/leads/{id}", {
  params: { path: { id }, header: { "If-None-Match": described.tag } },
});
assert.equal(known.response.status, 304);
const removed = await client.DELETE("/api/v1/contacts/{id}", { params: { path: { id: contact.body.id } } });
assert.equal(removed.response.status, 204);
refused(await client.GET("/api/v1/contacts/{id}", { params: { path: { id: contact.body.id } } }), 404);
console.log("told");
