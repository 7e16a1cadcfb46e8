// Writes webhooks.json: deliveries signed by Node itself, with the vendor's documented recipe.
// Run once: node tests/vectors/make_webhooks.mjs
import { createHash, createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const hmac = (message, secret, encoding = "base64") =>
  createHmac("sha256", secret.replace("E_AI_K_", "")).update(message).digest(encoding);
const signedPart = (body) => (Array.isArray(body) ? body : body.result);
const messageOf = (text) => JSON.stringify(signedPart(JSON.parse(text)));

const SECRET = "E_AI_K_0123456789abcdef";
const file = {
  fileId: "-OAbc123", fileName: "invoice.pdf", extractionId: "-OEx1", batchId: "-OBa1",
  status: "processed", result: { total: 12.5, vendor: "Łódź & Söhne", paid: true },
  url: "https://example.com/a.pdf",
};
const list = JSON.stringify([file]);
const current = (result, event = '"extraction.processed"') => `{"event":${event},"result":${result}}`;
const value = (text) => current(`[{"fileId":"f","result":{"v":${text}}}]`);
const members = (text) => current(`[{"fileId":"f","result":{${text}}}]`);

const signed = [
  ["as the vendor sends it", current(list)],
  ["result in front of event", `{"result":${list},"event":"extraction.failed"}`],
  ["several files", current(JSON.stringify([file, { ...file, fileId: "-OAbc124", status: "failed", error: "unreadable" }]))],
  ["an event nobody knows", current(list, '"extraction.archived"')],
  ["a classification", current('[{"fileId":"f","status":"processed","result":{"confidence":0.95,"documentType":"resume"}}]', '"classification.processed"')],
  ["no files", current("[]")],
  ["legacy: object without event", `{"result":${list}}`],
  ["legacy: bare array", list],
  ["legacy: bare array, spaced", ` ${JSON.stringify([file], null, 2)}\r\n`],
  ["legacy: empty bare array", "[]"],
  ["event null", current(list, "null")],
  ["other keys beside", `{"id":1,"event":"a.b","more":{"result":[1]},"result":${list},"z":[]}`],
  ["spaces around", ` \t\r\n${current(list)}\n`],
  ["indented", JSON.stringify({ event: "extraction.edited", result: [file] }, null, 2)],
  ["python's json.dumps", JSON.stringify({ event: "a.b", result: [file] }).replaceAll('":', '": ').replaceAll(',"', ', "')],
  ["two results, the last counts", `{"result":[{"fileId":"forged"}],"event":"a.b","result":${list}}`],
  ["two results, one escaped", `{"result":[{"fileId":"forged"}],"res\\u0075lt":${list}}`],
  ["result deeper inside", `{"event":{"result":[1]},"result":${list}}`],
  ["result is an object", current('{"fileId":"f"}')],
  ["result is null", current("null")],
  ["result is a string", current('"abc"')],
  ["result is false", current("false")],
  ["result is a spaced number", current(" 2.50e1 ")],
  ["numbers: floats that are integers", value("[1.0,100.00,-3.0e0,1e3,12E+2]")],
  ["numbers: large", value("[1e20,1e21,123456789012345678901234567890,1E+300]")],
  ["numbers: small", value("[0.000001,0.0000001,1e-7,1.5e-10,0.00000012]")],
  ["numbers: zeros", value("[0,-0,-0.0,0e5,0.000,-0e-10]")],
  ["numbers: beyond 2^53", value("[9007199254740991,9007199254740993,-9007199254740993,18446744073709551616]")],
  ["numbers: beyond a double", value("[1e400,-1e400,1e-400,5e-324,2.4e-324,1.7976931348623159e308]")],
  ["numbers: digits of a double", value("[0.1,0.30000000000000004,4.35,1.005,2.675,123456.7891234567891]")],
  ["numbers: halfway cases", value("[9007199254740992.5,2.2250738585072011e-308,0.500000000000000166533453693773481063544750213623046875]")],
  ["strings: short escapes", value('"\\b\\t\\n\\f\\r\\"\\\\"')],
  ["strings: slash", value('"https:\\/\\/example.com/a"')],
  ["strings: controls", value('"\\u0000\\u0001\\u001F\\u001f\\u000A\\u0008"')],
  ["strings: DEL and line separators", value('"\\u007f\u007f\\u2028\u2028\\u2029\u2029"')],
  ["strings: python's ensure_ascii", value('"\\u0141\\u00f3d\\u017a \\ud83d\\ude00"')],
  ["strings: lone surrogates", value('["\\uD800","\\udfff x","\\ude00\\ud83d","\\ud83d\\ud83d\\ude00"]')],
  ["strings: raw unicode", value('"Łódź 😀 日本 \ufeff\u00a0"')],
  ["strings: html escapes stay", value('"\\u003cb\\u003e &amp; \\u0026"')],
  ["keys: integers first", members('"b":1,"10":2,"a":3,"9":4,"0":5')],
  ["keys: only nearly integers", members('"z":0,"01":1,"-1":2,"1.0":3,"1e1":4," 1":5,"4294967295":6,"4294967294":7,"4294967296":8')],
  ["keys: twice", members('"a":1,"b":2,"a":{"c":[ 1 ]}')],
  ["keys: twice, one escaped", members('"a":1,"b":2,"\\u0061":3')],
  ["keys: an integer twice", members('"x":0,"2":1,"1":2,"\\u0032":3')],
  ["keys: __proto__", members('"__proto__":{"a":1},"b":2,"constructor":3,"__proto__":[4]')],
  ["keys: toJSON and length", members('"toJSON":"x","length":3,"hasOwnProperty":null')],
  ["keys: escapes and empty", members('"":1,"a\\/b":2,"\\u00e9":3,"\\n":4,"\\ud800":5')],
  ["keys: out of order, nested", members('"b":{"y":1,"1":{"z":[{"k":1,"0":2}],"z":[ ],"7":{}}},"5":[{"q":1,"q":2}]')],
  ["keys of a file: twice", current('[{"fileId":"old","status":"failed","fileId":"new","status":"processed"}]')],
  ["empty containers", value("[{},[],[[]],[{}],\"\"]")],
  ["nested", value("[".repeat(300) + "]".repeat(300))],
  ["secret without prefix", current(list), "plain-secret"],
  ["secret with prefix inside", current(list), "aE_AI_K_b"],
  ["secret with prefix twice", current(list), "E_AI_K_E_AI_K_x"],
  ["secret with prefix twice, nothing else", current(list), "E_AI_K_E_AI_K_"],
  ["secret with non-ASCII", current(list), "E_AI_K_zażółć😀"],
  ["secret longer than a block", current(list), "E_AI_K_" + "k".repeat(200)],
  ["secret of one space", current(list), " "],
];

const good = hmac(messageOf(current(list)), SECRET);
const refused = [
  ["no header", current(list), null, "missing_header"],
  ["empty header", current(list), "", "missing_header"],
  ["header of spaces", current(list), " \t ", "missing_header"],
  ["hex", current(list), hmac(messageOf(current(list)), SECRET, "hex"), "wrong_length"],
  ["url-safe base64", current(list), "-_" + good.slice(2), "not_base64"],
  ["base64 without padding", current(list), good.replace("=", ""), "not_base64"],
  ["base64 with a space inside", current(list), good.slice(0, 9) + " " + good.slice(9), "not_base64"],
  ["base64 with loose trailing bits", current(list), "A".repeat(42) + "B=", "not_base64"],
  ["a prefix", current(list), "sha256=" + good, "not_base64"],
  ["31 bytes", current(list), Buffer.alloc(31).toString("base64"), "wrong_length"],
  ["33 bytes", current(list), Buffer.alloc(33).toString("base64"), "wrong_length"],
  ["another secret", current(list), hmac(messageOf(current(list)), "other"), "mismatch"],
  ["secret with its prefix", current(list), createHmac("sha256", SECRET).update(list).digest("base64"), "mismatch"],
  ["whole body signed", current(list), hmac(current(list), SECRET), "mismatch"],
  ["no byte signed", current(list), hmac("", SECRET), "mismatch"],
  ["zeros", current(list), Buffer.alloc(32).toString("base64"), "mismatch"],
  ["first of two results signed", `{"result":${list},"result":[]}`, good, "mismatch"],
  ["result only deeper inside", `{"data":{"result":${list}}}`, good, "no_result"],
  ["no result", '{"event":"a.b"}', good, "no_result"],
  ["a string", '"result"', good, "no_result"],
  ["a number", "1", good, "no_result"],
  ["null", "null", good, "no_result"],
  ["empty", "", good, "malformed_body"],
  ["not JSON", "event=a.b&result=1", good, "malformed_body"],
  ["byte order mark", "\ufeff" + current(list), good, "malformed_body"],
  ["cut short", current(list).slice(0, -1), good, "malformed_body"],
  ["something behind", current(list) + "x", good, "malformed_body"],
  ["trailing comma", `{"result":${list},}`, good, "malformed_body"],
  ["NaN", `{"result":[NaN]}`, good, "malformed_body"],
  ["control character", `{"result":["\n"]}`, good, "malformed_body"],
  ["too deep", "[".repeat(10001) + "]".repeat(10001), good, "malformed_body"],
];

const dedupeKey = (one) =>
  sha256(JSON.stringify([
    one?.extractionId, one?.batchId, one?.fileId, one?.status,
    sha256(JSON.stringify(one?.result ?? null)),
  ]));

const describe = ([name, body, secret = SECRET]) => {
  const message = messageOf(body);
  const part = signedPart(JSON.parse(body));
  return {
    name, body, secret, message,
    header: hmac(message, secret),
    generation: JSON.parse(body).event === undefined ? "legacy" : "current",
    matched: body.includes(message) ? "raw" : "canonical",
    dedupe_keys: Array.isArray(part) ? part.map(dedupeKey) : null,
  };
};

const vectors = {
  made_with: `Node ${process.version}, V8 ${process.versions.v8}`,
  signed: signed.map(describe),
  refused: refused.map(([name, body, header, reason]) => ({ name, body, secret: SECRET, header, reason })),
};
writeFileSync(new URL("webhooks.json", import.meta.url), JSON.stringify(vectors, null, 1) + "\n");
