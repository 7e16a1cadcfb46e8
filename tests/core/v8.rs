//! The machine's Node.js, to compare with.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

/// On the stack of this thread `JSON.stringify` reaches any depth that we read.
const START: &str = "new (require('node:worker_threads').Worker)(process.argv[1],
    { eval: true, resourceLimits: { stackSizeMb: 200 } })
    .on('message', bytes => process.stdout.write(bytes))";

/// What may be used for `answer`. Bytes that are not UTF-8 and a BOM are kept from `JSON.parse`.
const BEFORE: &str = "
    const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const parse = bytes => JSON.parse(strict.decode(bytes));
    const { createHmac } = require('node:crypto');
    const answer = ";

/// Reads texts, each behind its length, and writes what `answer` makes of each, or that it threw.
const BEHIND: &str = ";
    const input = require('node:fs').readFileSync(0);
    const out = [];
    for (let at = 0; at < input.length;) {
        const end = at + 4 + input.readUInt32LE(at);
        let text = null;
        try { text = Buffer.from(answer(input.subarray(at + 4, end))); } catch {}
        const length = Buffer.alloc(4);
        length.writeUInt32LE(text === null ? 0xffffffff : text.length);
        out.push(length);
        if (text !== null) out.push(text);
        at = end;
    }
    require('node:worker_threads').parentPort.postMessage(Buffer.concat(out));";

/// `JSON.stringify(JSON.parse(text))`.
pub const CANONICAL: &str = "bytes => JSON.stringify(parse(bytes))";

/// What the JavaScript function `answer` gives for each text, and `None` where it throws.
/// `None` for all of them, and a word about it, where the machine has no Node.
pub fn ask<T: AsRef<[u8]>>(answer: &str, texts: &[T]) -> Option<Vec<Option<Vec<u8>>>> {
    let mut command = Command::new("node");
    command.args(["-e", START, &format!("{BEFORE}{answer}{BEHIND}")]);
    let Ok(mut node) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        return missing();
    };
    let mut stdin = node.stdin.take().unwrap();
    for text in texts.iter().map(AsRef::as_ref) {
        stdin.write_all(&u32::try_from(text.len()).unwrap().to_le_bytes()).unwrap();
        stdin.write_all(text).unwrap();
    }
    drop(stdin);
    let mut output = Vec::new();
    node.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    assert!(node.wait().unwrap().success(), "node failed");
    let mut rest = output.as_slice();
    let mut answers = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length);
        let length = if length == u32::MAX { None } else { Some(length as usize) };
        let (text, behind) = behind.split_at(length.unwrap_or(0));
        answers.push(length.map(|_| text.to_vec()));
        rest = behind;
    }
    assert_eq!(answers.len(), texts.len());
    Some(answers)
}

fn missing<T>() -> Option<T> {
    let required = std::env::var("EXTRACTA_TESTS_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|tool| tool == "node"), "`node` is required, but not there");
    // Not by `eprintln`, which is not shown of tests that pass.
    let _ = writeln!(std::io::stderr(), "SKIPPED: `node` is missing: not compared with V8");
    None
}
