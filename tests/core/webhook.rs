//! Webhook signatures, against deliveries that Node signed.

use extracta_rs::core::javascript::stringify;
use extracta_rs::core::webhook::{
    Generation, Matched, Refusal, SignError, UnusableSecret, Verified, dedupe_keys, sign, verify,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    signed: Vec<Signed>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Signed {
    name: String,
    body: String,
    secret: String,
    header: String,
    message: String,
    generation: String,
    matched: String,
    dedupe_keys: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    body: String,
    secret: String,
    header: Option<String>,
    reason: String,
}

fn vectors() -> Vectors {
    let text = include_str!("../vectors/webhooks.json");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn check(body: &str, header: &str, secrets: &[&str]) -> Result<Verified, Refusal> {
    let secrets: Vec<_> = secrets.iter().map(|secret| secret.as_bytes()).collect();
    let checked = verify(body.as_bytes(), Some(header.as_bytes()), &secrets);
    checked.unwrap_or_else(|error| panic!("{error}"))
}

fn header(body: &str, secret: &str) -> String {
    sign(body.as_bytes(), secret.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn what_node_signed_is_verified() {
    for Signed { name, body, secret, header, message, generation, matched, .. } in vectors().signed
    {
        let verified =
            check(&body, &header, &[&secret]).unwrap_or_else(|no| panic!("{name}: {no}"));
        let slice = body[verified.signed].as_bytes();
        assert_eq!(stringify(slice).unwrap(), message.as_bytes(), "{name}");
        assert_eq!(slice == message.as_bytes(), verified.matched == Matched::Raw, "{name}");
        assert_eq!(matched == "raw", verified.matched == Matched::Raw, "{name}");
        assert_eq!(generation == "current", verified.generation == Generation::Current, "{name}");
        assert_eq!(verified.event.is_some(), verified.generation == Generation::Current, "{name}");
        assert_eq!(verified.secret_index, 0);
    }
}

#[test]
fn signing_gives_what_node_gives() {
    for Signed { name, body, secret, header: theirs, .. } in vectors().signed {
        assert_eq!(header(&body, &secret), theirs, "{name}");
    }
}

#[test]
fn dedupe_keys_are_what_node_gives() {
    for Signed { name, message, dedupe_keys: theirs, .. } in vectors().signed {
        if let Some(theirs) = theirs {
            assert_eq!(dedupe_keys(message.as_bytes()).unwrap(), theirs, "{name}");
        }
    }
}

#[test]
fn dedupe_keys_do_not_depend_on_the_spelling() {
    let keys = |array: &str| dedupe_keys(array.as_bytes()).unwrap();
    let key = keys(r#"[{"fileId":"a","result":{"x":1}}]"#);
    assert_eq!(key, keys(r#" [ {"result" : {"x":1.0}, "url":"u", "fileId":"\u0061"} ] "#));
    assert_eq!(key, keys(r#"[{"fileId":"b","fileId":"a","result":{"x":1}, "status":null}]"#));
    assert_ne!(key, keys(r#"[{"fileId":"a","result":{"x":2}}]"#));
    assert_ne!(key, keys(r#"[{"batchId":"a","result":{"x":1}}]"#));
    assert_ne!(key, keys(r#"[{"fileId":"a","status":"failed","result":{"x":1}}]"#));
    assert_eq!(keys("[1,[2],{}]").len(), 3);
}

#[test]
fn what_is_not_signed_is_refused_with_the_reason() {
    for Refused { name, body, secret, header, reason } in vectors().refused {
        let header = header.as_deref().map(str::as_bytes);
        let checked = verify(body.as_bytes(), header, &[secret.as_bytes()]).unwrap();
        assert_eq!(checked.map_err(|refusal| refusal.reason()), Err(reason.as_str()), "{name}");
    }
}

#[test]
fn a_body_that_is_not_utf8_is_malformed() {
    let body = b"{\"result\":[\"\xff\"]}";
    let replaced = header("{\"result\":[\"\u{fffd}\"]}", "s");
    let checked = verify(body, Some(replaced.as_bytes()), &[b"s"]).unwrap();
    assert_eq!(checked.unwrap_err().reason(), "malformed_body");
    assert!(matches!(sign(body, b"s"), Err(SignError::MalformedBody(_))));
}

#[test]
fn unusable_secrets_are_refused_whatever_comes() {
    let empty = Err(UnusableSecret::Empty);
    assert_eq!(verify(b"[]", None, &[b""]), empty);
    assert_eq!(verify(b"", Some(b""), &[b"E_AI_K_"]), empty);
    assert_eq!(verify(b"[]", Some(b"x"), &[b"good", b""]), empty);
    assert_eq!(verify(b"[]", Some(b"x"), &[b"E_AI_K_\0\0"]), empty);
    assert_eq!(verify(b"[]", Some(b"x"), &[]), Err(UnusableSecret::Missing));
    assert_eq!(sign(b"[]", b"E_AI_K_"), Err(UnusableSecret::Empty.into()));
    assert_eq!(sign(b"1", b"s"), Err(SignError::NoResult));
}

#[test]
fn any_of_several_secrets_may_match() {
    let body = r#"{"event":"a.b", "result":[ 1.0 ]}"#;
    let secrets = ["one", "E_AI_K_two", "three", "two"];
    for (secret, place) in [("one", 0), ("two", 1), ("three", 2)] {
        let verified = check(body, &header(body, secret), &secrets).unwrap();
        assert_eq!((verified.secret_index, verified.matched), (place, Matched::Canonical));
    }
    assert_eq!(check(body, &header(body, "four"), &secrets), Err(Refusal::Mismatch));
}

#[test]
fn text_that_looks_spaced_is_found_as_it_was_signed() {
    for result in [
        r#"[{": 1":5}]"#,
        r#"["a\": b"]"#,
        r#"[1,": ",{"a":": "}]"#,
        r#"{": ":": "}"#,
        r#"" a""#,
        r#""\": ""#,
        r#"": ""#,
    ] {
        let body = format!(r#"{{"event":"a.b","result":{result}}}"#);
        let verified = check(&body, &header(&body, "s"), &["s"]).unwrap();
        assert_eq!((verified.matched, &body[verified.signed]), (Matched::Raw, result));
    }
}

#[test]
fn white_space_around_the_header_is_accepted() {
    let header = format!(" \t{}\r\n", header("[]", "s"));
    assert!(check("[]", &header, &["s"]).is_ok());
}

#[test]
fn every_flipped_byte_of_the_signed_part_is_refused() {
    let body = r#"{"event":"a.b","result":[{"fileId":"x","result":{"n":1.5,"t":"é\n"}}]}"#;
    let header = header(body, "s");
    let signed = check(body, &header, &["s"]).unwrap().signed;
    for at in signed {
        for bit in 0..8 {
            let mut forged = body.as_bytes().to_vec();
            forged[at] ^= 1 << bit;
            let checked = verify(&forged, Some(header.as_bytes()), &[b"s"]).unwrap();
            assert!(checked.is_err(), "{}", String::from_utf8_lossy(&forged));
        }
    }
}

#[test]
fn the_event_is_where_it_was_found_last() {
    let body = r#"{"event":"a.b","result":[],"event" : "c.d" }"#;
    let verified = check(body, &header(body, "s"), &["s"]).unwrap();
    assert_eq!(&body[verified.event.unwrap()], "\"c.d\"");
}

#[test]
fn no_secret_and_no_signature_is_shown() {
    for error in [UnusableSecret::Missing.to_string(), UnusableSecret::Empty.to_string()] {
        assert!(error.contains("secret"), "{error}");
    }
    for Refused { name, body, secret, header, .. } in vectors().refused {
        let header = header.as_deref().map(str::as_bytes);
        let refusal = verify(body.as_bytes(), header, &[secret.as_bytes()]).unwrap().unwrap_err();
        let shown = format!("{refusal} {refusal:?}");
        assert!(!shown.contains("0123456789abcdef"), "{name}");
    }
}
