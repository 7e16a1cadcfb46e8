//! Cases one by one: what JSON is and what it is not, and what RFC 8259 leaves open.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use extracta_rs::core::javascript::{MAX_DEPTH, stringify};
use serde::Deserialize;

use super::read;
use crate::v8;

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: Option<String>,
    base64: Option<String>,
    kind: String,
    canonical: Option<String>,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        match (&self.text, &self.base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(base64)) => STANDARD.decode(base64).unwrap(),
            _ => panic!("{}: one of text and base64", self.name),
        }
    }
}

fn cases() -> Vec<Case> {
    let text = include_str!("../../vectors/json_cases.json");
    serde_json::from_str::<Cases>(text).unwrap().cases
}

#[test]
fn every_case_is_read_and_written_as_the_table_says() {
    let cases = cases();
    for case in &cases {
        let text = case.bytes();
        let ours = stringify(&text).ok().map(|out| String::from_utf8(out).unwrap());
        assert_eq!(ours, case.canonical, "{}", case.name);
        assert_eq!(read(&text).is_ok(), case.canonical.is_some(), "{}", case.name);
        if case.kind != "open" {
            assert_eq!(case.canonical.is_some(), case.kind == "accept", "{}", case.name);
        }
    }
    let count = |kind| cases.iter().filter(|case| case.kind == kind).count();
    let counts = [count("accept"), count("reject"), count("open")];
    assert!(counts >= [150, 0, 0] && counts[1] >= 200 && counts[2] >= 30, "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), cases.len());
}

#[test]
fn the_table_says_what_node_does() {
    let cases = cases();
    let texts: Vec<_> = cases.iter().map(Case::bytes).collect();
    let Some(answers) = v8::ask(v8::CANONICAL, &texts) else { return };
    for (case, answer) in cases.iter().zip(answers) {
        let answer = answer.map(|out| String::from_utf8(out).unwrap());
        assert_eq!(answer, case.canonical, "{}", case.name);
    }
}

/// `JSON.parse` takes any depth; `JSON.stringify` takes what the stack holds, some thousands.
#[test]
fn deep_nesting_is_written_as_node_writes_it() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("{}{}", open.repeat(depth), close.repeat(depth)).into_bytes()
    };
    let texts = [
        nested("[", "]", MAX_DEPTH),
        nested("[ ", " ]", MAX_DEPTH),
        nested("[[],{\"a\":", "}]", MAX_DEPTH / 2),
        nested("{\"b\":0,\"1\":", "}", MAX_DEPTH),
    ];
    let texts = texts.map(|text| {
        // An object needs a value in its innermost place.
        String::from_utf8(text).unwrap().replace(":}", ":null}").into_bytes()
    });
    let Some(answers) = v8::ask(v8::CANONICAL, &texts) else { return };
    for (text, answer) in texts.iter().zip(answers) {
        assert_eq!(stringify(text).ok(), answer);
        assert!(stringify(text).is_ok());
    }
    let deeper = nested("[", "]", MAX_DEPTH + 1);
    assert!(stringify(&deeper).is_err());
    assert!(stringify(&vec![b'['; 10_000_000]).is_err());
}
