/*
A rule in JavaScript: flags whoever runs a temperature.

Built with componentize-js, which is on npm. Without what it is told to leave out, it imports nothing:

    npm install @bytecodealliance/componentize-js
    npx componentize-js examples/fever-javascript/rule.js --wit wit --world-name filter \
        --disable stdio random clocks http fetch-event --out fever.wasm
    weir run --rule fever.wasm --settings '{"above": 39}' records.ndjson
*/

const SETTINGS_SCHEMA = { properties: { above: { type: "number" } }, additionalProperties: false };

/** The rule, opened with settings. */
class Classifier {
  constructor(above) {
    this.above = above;
  }

  static open(settings) {
    const { above = 38, ...others } = JSON.parse(settings);
    if (typeof above !== "number") {
      throw settingsError("/above", above, "a number");
    }
    for (const [name, value] of Object.entries(others)) {
      throw settingsError(`/${name}`, value, "no such setting");
    }
    return new Classifier(above);
  }

  classify({ payloads, encoding }) {
    const outcome = { verdicts: [], flagged: [], failed: [] };
    let start = 0;
    payloads.ends.forEach((end, index) => {
      const payload = payloads.bytes.subarray(start, end);
      start = end;
      try {
        const text = decode(payload, encoding);
        const temperature = readTemperature(text);
        if (temperature > this.above) {
          outcome.verdicts.push("flag");
          outcome.flagged.push({ index, score: temperature, message: text });
        } else {
          outcome.verdicts.push("pass");
        }
      } catch (error) {
        if (!(error instanceof BadRecord)) throw error;
        outcome.verdicts.push("fail");
        outcome.failed.push({ index, reason: error.message });
      }
    });
    return outcome;
  }

  snapshot() {
    return new Uint8Array();
  }

  restore(snapshot) {
    if (snapshot.length > 0) throw "this rule keeps no state";
  }
}

/** The interface of the contract: what the rule says of itself, and what opens it. */
export const rule = {
  describe: () => ({
    name: "fever-javascript",
    version: "1.0.0",
    settingsSchema: JSON.stringify(SETTINGS_SCHEMA),
    keepsState: false,
    rewrites: false,
  }),
  Classifier,
};

/** Why a record cannot be classified. It holds nothing of the record: it may be logged. */
class BadRecord extends Error {}

/** Why settings are refused. What is thrown is the error of the contract's `result`. */
function settingsError(path, value, expected) {
  return { path, value: JSON.stringify(value), expected };
}

/** A mark at the beginning is kept: JSON has none. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a payload. */
function decode(payload, encoding) {
  try {
    if (encoding === "base64") {
      payload = Uint8Array.fromBase64(UTF8.decode(payload), { lastChunkHandling: "strict" });
    }
    return UTF8.decode(payload);
  } catch {
    throw new BadRecord("not base64 of UTF-8");
  }
}

/** The temperature in a record, which is JSON. */
function readTemperature(text) {
  let record;
  try {
    record = JSON.parse(text);
  } catch {
    throw new BadRecord("not JSON");
  }
  const temperature = record?.temperature;
  if (typeof temperature !== "number") {
    throw new BadRecord("no number at /temperature");
  }
  if (!Number.isFinite(temperature)) {
    throw new BadRecord("the number at /temperature is out of range");
  }
  return temperature;
}
