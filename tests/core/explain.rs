//! What is wrong with a signature: each reason, from the mistake that it names.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use extracta_rs::core::javascript::stringify;
use extracta_rs::core::webhook::{Matched, Reason, Report, UnusableSecret, explain, sign, verify};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const SECRET: &[u8] = b"E_AI_K_0123456789abcdef";
const KEY: &[u8] = b"0123456789abcdef";
const RESULT: &str =
    r#"[{"fileName":"Müller €.pdf","fileId":"-f","result":{"total":1.5,"n":null}}]"#;
const PROVED: &[Reason] = &[
    Reason::HexSignature,
    Reason::Base64Variant,
    Reason::DressedHeader,
    Reason::PrefixKept,
    Reason::SecretNotStripped,
    Reason::SignerSecretNotStripped,
    Reason::WholeBodySigned,
    Reason::DecodedAsLatin1,
    Reason::EncodedAsLatin1,
    Reason::EncodedAsUtf16,
    Reason::ByteOrderMark,
    Reason::PythonBytes,
    Reason::PythonDict,
    Reason::JsonTwice,
    Reason::WrappedBody,
    Reason::Base64Body,
];

fn body() -> String {
    format!(r#"{{"event":"extraction.processed","result":{RESULT}}}"#)
}

fn sum(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.filter_map(|half| char::from_digit(half.into(), 16)).collect()
}

fn header() -> String {
    sign(body().as_bytes(), SECRET).unwrap()
}

fn report(body: impl AsRef<[u8]>, header: impl AsRef<[u8]>) -> Report {
    explain(body.as_ref(), Some(header.as_ref()), &[SECRET]).unwrap()
}

fn assert_reason(name: &str, report: &Report, reason: Reason) {
    assert_eq!((name, report.reason), (name, reason), "{}", report.hint);
    let proved = PROVED.contains(&reason);
    assert_eq!(report.secret_index.is_some(), proved || reason == Reason::Valid, "{name}");
    assert_eq!(report.matched.is_some(), reason == Reason::Valid, "{name}");
    assert!(report.hint.contains(reason.hint()) || report.matched.is_some(), "{name}");
    let shown = format!("{report:?}");
    let right = sum(KEY, RESULT.as_bytes());
    for secret in [STANDARD.encode(right), hex(&right), "0123456789abcdef".to_owned()] {
        assert!(!shown.contains(&secret), "{name}: {shown}");
    }
}

#[test]
fn the_form_of_the_header_is_told() {
    let right = sum(KEY, RESULT.as_bytes());
    let other = sum(b"other", RESULT.as_bytes());
    let base64 = STANDARD.encode(right);
    let cases: [(&str, String, Reason); 17] = [
        ("right", format!(" {base64}\n"), Reason::Valid),
        ("empty", " ".into(), Reason::MissingHeader),
        ("words", "not base64 at all".into(), Reason::NotBase64),
        ("long", "A".repeat(10_000), Reason::WrongLength),
        ("SHA-1", STANDARD.encode([7; 20]), Reason::WrongLength),
        ("hex", hex(&right), Reason::HexSignature),
        ("HEX", hex(&right).to_uppercase(), Reason::HexSignature),
        ("hex in base64", STANDARD.encode(hex(&right)), Reason::HexSignature),
        ("sha256=hex", format!("sha256={}", hex(&right)), Reason::HexSignature),
        ("another hex", hex(&other), Reason::LooksHex),
        ("url-safe", URL_SAFE_NO_PAD.encode(right), Reason::Base64Variant),
        ("no padding", base64.trim_end_matches('=').into(), Reason::Base64Variant),
        ("another in quotes", format!("'{}'", STANDARD.encode(other)), Reason::NotBase64),
        ("another without padding", URL_SAFE_NO_PAD.encode(other), Reason::NotBase64),
        ("quotes", format!("\"{base64}\""), Reason::DressedHeader),
        ("Python bytes", format!("b'{base64}'"), Reason::DressedHeader),
        ("twice", format!("{base64}, {base64}"), Reason::DressedHeader),
    ];
    for (name, header, reason) in cases {
        assert_reason(name, &report(body(), header), reason);
    }
    assert_eq!(explain(b"[]", None, &[SECRET]).unwrap().reason, Reason::MissingHeader);
}

#[test]
fn what_the_signer_did_is_told() {
    let body = body();
    let whole = body.as_bytes();
    let spaced = body.replace(':', ": ");
    let result = RESULT.as_bytes();
    let cases: [(&str, &str, [u8; 32], Reason); 8] = [
        ("prefix", &body, sum(SECRET, result), Reason::PrefixKept),
        ("line end", &body, sum(&[KEY, b"\n"].concat(), result), Reason::SignerSecretNotStripped),
        ("space", &spaced, sum(&[KEY, b" "].concat(), result), Reason::SignerSecretNotStripped),
        ("whole", &body, sum(KEY, whole), Reason::WholeBodySigned),
        ("whole, spaced", &spaced, sum(KEY, spaced.as_bytes()), Reason::WholeBodySigned),
        ("whole, spaced since", &spaced, sum(KEY, whole), Reason::WholeBodySigned),
        ("whole, no JSON", "a=b", sum(KEY, b"a=b"), Reason::WholeBodySigned),
        ("another secret", &body, sum(b"other", result), Reason::Mismatch),
    ];
    for (name, body, signature, reason) in cases {
        assert_reason(name, &report(body, STANDARD.encode(signature)), reason);
    }
}

#[test]
fn two_mistakes_of_the_signer_are_both_told() {
    let both = report(body(), hex(&sum(SECRET, body().as_bytes())));
    assert_reason("both", &both, Reason::WholeBodySigned);
    for reason in [Reason::PrefixKept, Reason::HexSignature] {
        assert!(both.hint.contains(reason.hint()), "{}", both.hint);
    }
}

#[test]
fn a_secret_that_was_not_stripped_is_told() {
    for secret in
        ["E_AI_K_0123456789abcdef\n", " \"0123456789abcdef\"", "'E_AI_K_0123456789abcdef'"]
    {
        let secrets = [b"first".as_slice(), secret.as_bytes()];
        let report = explain(body().as_bytes(), Some(header().as_bytes()), &secrets).unwrap();
        assert_reason(secret, &report, Reason::SecretNotStripped);
        assert_eq!(report.secret_index, Some(1));
    }
    // Without its prefix the secret is as good; with it, the signer may have kept the prefix.
    let kept = STANDARD.encode(sum(SECRET, RESULT.as_bytes()));
    let report = explain(body().as_bytes(), Some(kept.as_bytes()), &[KEY]).unwrap();
    assert_reason("no prefix", &report, Reason::PrefixKept);
}

/// Text with each character of latin-1 or cp1252 as one byte.
fn single(text: &str) -> Vec<u8> {
    let byte = |char| if char == '€' { 0x80 } else { u8::try_from(char).unwrap() };
    text.chars().map(byte).collect()
}

fn decoded_as_latin1(text: &[u8]) -> String {
    text.iter().map(|&byte| char::from(byte)).collect()
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn what_was_done_to_the_body_is_told() {
    let body = body();
    let once = decoded_as_latin1(body.as_bytes());
    let twice = decoded_as_latin1(once.as_bytes());
    let cp1252 = body.replace('ü', "Ã¼").replace('€', "â‚¬");
    let quoted = serde_json::to_string(&body).unwrap();
    let in_base64 = STANDARD.encode(&body);
    let twice_inside = serde_json::json!({"event": "a.b", "result": RESULT}).to_string();
    let dict = body.replace('"', "'").replace("null", "None");
    let cases: [(&str, Vec<u8>, Reason); 24] = [
        ("spaces", body.replace(',', " , ").into(), Reason::Valid),
        ("latin-1", once.clone().into(), Reason::DecodedAsLatin1),
        ("latin-1, spaced", once.replace(':', ": ").into(), Reason::DecodedAsLatin1),
        ("latin-1 twice", twice.into(), Reason::DecodedAsLatin1),
        ("cp1252", cp1252.into(), Reason::DecodedAsLatin1),
        ("in cp1252", single(&body), Reason::EncodedAsLatin1),
        ("UTF-16LE", utf16(&body, u16::to_le_bytes), Reason::EncodedAsUtf16),
        ("UTF-16BE", utf16(&format!("\u{feff}{body}"), u16::to_be_bytes), Reason::EncodedAsUtf16),
        ("BOM", format!("\u{feff}{body}").into(), Reason::ByteOrderMark),
        ("dict", dict.clone().into(), Reason::PythonDict),
        ("bytes", python_bytes(&body), Reason::PythonBytes),
        ("twice", quoted.clone().into(), Reason::JsonTwice),
        ("result twice", twice_inside.into(), Reason::JsonTwice),
        ("object", format!(r#"{{"data":{{"body":{body}}}}}"#).into(), Reason::WrappedBody),
        ("rpc", format!(r#"{{"id":1,"result":{body}}}"#).into(), Reason::WrappedBody),
        ("rpc, text", format!(r#"{{"result":{quoted}}}"#).into(), Reason::WrappedBody),
        ("text", format!(r#"{{"Records":[{{"body":{quoted}}}]}}"#).into(), Reason::WrappedBody),
        ("gateway", format!(r#"{{"body":"{in_base64}"}}"#).into(), Reason::WrappedBody),
        ("base64", in_base64.clone().into(), Reason::Base64Body),
        ("quoted base64", format!("\"{in_base64}\"").into(), Reason::Base64Body),
        ("gzip", b"\x1f\x8b\x08\0\0\0".to_vec(), Reason::LooksCompressed),
        ("another dict", dict.replace("1.5", "2.5").into(), Reason::LooksPythonDict),
        ("replaced", body.replace('ü', "\u{fffd}\u{fffd}").into(), Reason::LooksReplaced),
        ("changed latin-1", once.replace("1.5", "2").into(), Reason::LooksWrongCharset),
    ];
    for (name, body, reason) in cases {
        assert_reason(name, &report(body, header()), reason);
    }
}

fn python_bytes(body: &str) -> Vec<u8> {
    let escaped =
        |byte: u8| if byte.is_ascii() { char::from(byte).into() } else { format!("\\x{byte:02x}") };
    format!("b'{}'", body.bytes().map(escaped).collect::<String>()).into_bytes()
}

#[test]
fn python_strings_are_read_as_python_writes_them() {
    let body = r#"{"event":"a.b","result":[{"a":"it's","b":"\"","c":"\\ \n\t","d":"\u0085\u200b😀\ud800","e":"'\""}]}"#;
    let dict = r#"{'event': 'a.b', 'result': [{'a': "it's", 'b': '"', 'c': '\\ \n\t', 'd': '\x85\u200b\U0001f600\ud800', 'e': '\'"'}]}"#;
    let header = sign(body.as_bytes(), SECRET).unwrap();
    assert_eq!(report(dict, header).reason, Reason::PythonDict);
    let broken =
        ["{'", "{'a", "{'a\\", "{'a\\q'", "{'\\U0011ffff'", "{'\\U00", "{'a':Nope", "[{'a'"];
    for dict in broken {
        assert_eq!(report(dict, self::header()).reason, Reason::LooksPythonDict, "{dict}");
    }
    for bytes in ["b'", "b''", "b'\\", "b'\\x'", "b'\\xg0'", "b'\\q'", "b", "b\"'"] {
        assert_eq!(report(bytes, self::header()).reason, Reason::MalformedBody, "{bytes}");
    }
}

#[test]
fn bodies_that_are_no_deliveries_are_told() {
    for (body, reason) in [
        ("", Reason::EmptyBody),
        ("\r\n", Reason::EmptyBody),
        ("a=b", Reason::MalformedBody),
        ("{\"result\":", Reason::MalformedBody),
        ("{\"files\":[]}", Reason::NoResult),
        ("\"text\"", Reason::NoResult),
        ("1", Reason::NoResult),
        ("[]", Reason::Mismatch),
    ] {
        assert_reason(body, &report(body, header()), reason);
    }
    assert!(report("{\"a\":?}", header()).hint.contains("expected a value at byte 5"));
}

#[test]
fn sorted_keys_are_noticed_where_there_are_enough() {
    let sorted = r#"{"event":"a","result":[{"batchId":1,"fileId":2,"fileName":3,"result":{"a":1,"b":1},"status":4,"url":5}]}"#;
    let header = STANDARD.encode([7; 32]);
    assert_reason("sorted", &report(sorted, &header), Reason::LooksSorted);
    let few = r#"{"event":"a","result":[{"fileId":2,"result":{"a":1},"url":5}]}"#;
    assert_reason("few", &report(few, &header), Reason::Mismatch);
    let unsorted = sorted.replace("\"url\"", "\"a\"");
    assert_reason("unsorted", &report(unsorted, &header), Reason::Mismatch);
}

#[test]
fn a_valid_signature_is_reported_as_it_is_verified() {
    for (body, matched) in [(body(), Matched::Raw), (body().replace(',', ", "), Matched::Canonical)]
    {
        let secrets = [b"old".as_slice(), SECRET];
        let report = explain(body.as_bytes(), Some(header().as_bytes()), &secrets).unwrap();
        assert_eq!((report.matched, report.secret_index), (Some(matched), Some(1)));
        assert_eq!(report.reason, Reason::Valid);
        assert_eq!(report.hint.contains("written anew"), matched == Matched::Canonical);
    }
    assert_eq!(explain(b"", None, &[b"E_AI_K_"]), Err(UnusableSecret::Empty));
    assert_eq!(explain(b"", None, &[]), Err(UnusableSecret::Missing));
}

#[test]
fn an_empty_key_proves_nothing() {
    let header =
        STANDARD.encode(Hmac::<Sha256>::new_from_slice(b"").unwrap().finalize().into_bytes());
    let report = explain(b"", Some(header.as_bytes()), &[b"\"\""]).unwrap();
    assert_eq!(report.reason, Reason::EmptyBody);
}

#[test]
fn chance_proves_nothing_and_agrees_with_verify() {
    let mut random = fastrand::Rng::with_seed(11);
    let seeds: Vec<Vec<u8>> = vec![
        body().into(),
        decoded_as_latin1(body().as_bytes()).into(),
        single(&body()),
        utf16(&body(), u16::to_le_bytes),
        python_bytes(&body()),
        body().replace('"', "'").into(),
        STANDARD.encode(body()).into(),
        serde_json::to_vec(&body()).unwrap(),
        Vec::new(),
    ];
    for _ in 0..20_000 {
        let mut body = random.choice(&seeds).unwrap().clone();
        for _ in 0..random.usize(..4) {
            let at = random.usize(..=body.len());
            body.splice(at..(at + random.usize(..3)).min(body.len()), [random.u8(..)]);
        }
        let claimed: [u8; 32] = std::array::from_fn(|_| random.u8(..));
        let header = match random.u8(..4) {
            0 => hex(&claimed),
            1 => URL_SAFE_NO_PAD.encode(claimed),
            2 => (0..random.usize(..60)).map(|_| random.char(..)).collect(),
            _ => STANDARD.encode(claimed),
        };
        let report = report(&body, &header);
        assert!(!PROVED.contains(&report.reason), "{report:?}");
        assert_eq!(report.matched, None);
        assert!(verify(&body, Some(header.as_bytes()), &[SECRET]).unwrap().is_err());
    }
}

#[test]
fn whatever_is_nested_or_long_is_explained() {
    let header = STANDARD.encode([7; 32]);
    let deep = "[".repeat(20_000);
    assert_eq!(report(deep, &header).reason, Reason::MalformedBody);
    let nested = format!("{}1{}", r#"{"result":"#.repeat(9_000), "}".repeat(9_000));
    assert_eq!(report(nested, &header).reason, Reason::Mismatch);
    let wide = format!(r#"{{"x":[{}1]}}"#, r#"{"result":[[]]},"#.repeat(100_000));
    assert_eq!(report(wide, &header).reason, Reason::NoResult);
}

#[test]
fn the_documents_name_every_reason() {
    let words: Vec<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
    assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len());
    let rows = include_str!("../../docs/explain.md").lines();
    let documented: Vec<_> =
        rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    let documented: Vec<_> = documented.into_iter().filter(|word| *word != "reason").collect();
    assert_eq!(documented, words);
    let guesses = Reason::ALL.iter().filter(|reason| reason.word().starts_with("looks_"));
    for guess in guesses {
        assert!(guess.hint().contains("as if"), "{guess:?}");
        assert!(!PROVED.contains(guess));
    }
}

#[test]
fn the_canonical_form_is_what_the_cases_here_rest_on() {
    assert_eq!(stringify(RESULT.as_bytes()).unwrap(), RESULT.as_bytes());
}
