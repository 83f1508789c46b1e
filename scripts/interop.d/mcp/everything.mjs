// An MCP server on loopback by the official SDK, with the tools, resources and prompts that the conformance suite asks for:
// `everything.mjs`. Says `listening <url>` once it does. It looks at neither tokens nor hosts.

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { CreateMessageResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const text = (text) => ({ content: [{ type: "text", text }] });

function everything() {
  const capabilities = { logging: {} };
  const server = new McpServer({ name: "everything", version: "1" }, { capabilities });
  const tool = (name, run, inputSchema) =>
    server.registerTool(name, { description: name, ...(inputSchema && { inputSchema }) }, run);
  tool("test_simple_text", () => text("This is a simple text response for testing."));
  const image = { type: "image", data: PIXEL, mimeType: "image/png" };
  tool("test_image_content", () => ({ content: [image] }));
  tool("test_error_handling", () => {
    throw new Error("This tool intentionally returns an error for testing");
  });
  tool("test_tool_with_logging", async (extra) => {
    for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
      await extra.sendNotification({ method: "notifications/message", params: { level: "info", data } });
      await pause(50);
    }
    return text("done");
  });
  tool("test_tool_with_progress", async (extra) => {
    const { progressToken } = extra._meta ?? {};
    for (const progress of progressToken === undefined ? [] : [0, 50, 100]) {
      const params = { progressToken, progress, total: 100 };
      await extra.sendNotification({ method: "notifications/progress", params });
      await pause(50);
    }
    return text("done");
  });
  tool(
    "test_sampling",
    async ({ prompt }, extra) => {
      const messages = [{ role: "user", content: { type: "text", text: prompt } }];
      const request = { method: "sampling/createMessage", params: { messages, maxTokens: 100 } };
      const { content } = await extra.sendRequest(request, CreateMessageResultSchema);
      return text(`LLM response: ${content.text}`);
    },
    { prompt: z.string() },
  );
  const uri = "test://static-text";
  server.registerResource("static-text", uri, { mimeType: "text/plain" }, () => ({
    contents: [{ uri, mimeType: "text/plain", text: "This is the content of the static text resource." }],
  }));
  server.registerPrompt("test_simple_prompt", { description: "simple" }, () => ({
    messages: [{ role: "user", content: { type: "text", text: "This is a simple prompt for testing." } }],
  }));
  return server;
}

const transports = new Map();
const http = createServer(async (request, response) => {
  let transport = transports.get(request.headers["mcp-session-id"]);
  if (!transport && request.headers["mcp-session-id"]) return response.writeHead(404).end();
  if (!transport) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => transports.set(id, transport),
    });
    await everything().connect(transport);
  }
  await transport.handleRequest(request, response);
}).listen(0, "127.0.0.1");
await once(http, "listening");
console.log(`listening http://127.0.0.1:${http.address().port}/mcp`);
