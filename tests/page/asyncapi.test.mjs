// The AsyncAPI document, held to the rules of AsyncAPI by its own parser.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { DiagnosticSeverity, Parser } from "@asyncapi/parser";

const DOCUMENT = new URL("../../docs/contract/asyncapi.json", import.meta.url);

test("the document is AsyncAPI, without an error or a warning", async () => {
  const { document, diagnostics } = await new Parser().parse(await readFile(DOCUMENT, "utf8"));
  const bad = diagnostics.filter(({ severity }) => severity <= DiagnosticSeverity.Warning);
  assert.deepEqual(bad, []);
  assert.equal(document?.channels().length, 1);
});
