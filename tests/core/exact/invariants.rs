//! What is asserted of every delivery.

use std::ops::Range;

use extracta_rs::core::javascript::stringify;
use extracta_rs::core::webhook::{
    Delivery, Generation, Matched, Reason, Refusal, SignError, check_files, dedupe_keys, explain,
    open, sign, verify,
};
use fastrand::Rng;

use super::delivery;
use super::model::{self, Document, Top};
use super::rewrite::rewrite;
use super::text::{check_text, is_read};

/// What a fuzzer's bytes are taken for: body, header and secret, separated by 0xff.
pub struct Input<'a> {
    pub body: &'a [u8],
    pub header: &'a [u8],
    pub secret: &'a [u8],
}

impl<'a> Input<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        let mut parts = data.splitn(3, |&byte| byte == 0xff);
        let mut part = || parts.next().unwrap_or_default();
        let (body, header, secret) = (part(), part(), part());
        let usable = sign(b"[]", secret).is_ok();
        Self { body, header, secret: if usable { secret } else { b"E_AI_K_s" } }
    }

    /// Chance that is the same for the same input.
    fn rng(&self) -> Rng {
        let mix = |sum: u64, &byte: &u8| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Rng::with_seed(self.body.iter().fold(0xcbf2_9ce4_8422_2325, mix))
    }

    /// The body itself, and bodies with it as their `result`; sometimes a long one, of which
    /// `verify` first looks at both ends, with an end of what it sees anywhere.
    fn bodies(&self, rng: &mut Rng) -> Vec<Vec<u8>> {
        let around =
            |before: &str, behind: &str| [before.as_bytes(), self.body, behind.as_bytes()].concat();
        let mut bodies = vec![
            self.body.to_vec(),
            around("{\"event\":\"a.b\",\"result\":", "}"),
            around("{\"result\":", ",\"event\":\"extraction.processed\"}\n"),
            around(" {\"r\\u0065sult\":[{\"result\":1}],\"x\":{\"result\":2},\"result\" : ", " } "),
        ];
        let mut padding = || "x".repeat(4100 - rng.usize(..60 + self.body.len().min(4000)));
        let padded = match self.body.len() % 8 {
            0 => around(&format!("{{\"event\":\"{}\",\"result\":", padding()), "}"),
            1 => around("{\"result\":", &format!(",\"event\":\"{}\"}}", padding())),
            2 => around("{\"result\":", &format!(",\"x\":[],\"result\":[\"{}\"]}}", padding())),
            3 => around(&format!("{{\"result\":[\"{}\"],\"a\":", padding()), "}"),
            _ => return bodies,
        };
        bodies.push(padded);
        bodies
    }
}

/// What `verify`, `sign` and `stringify` promise.
pub fn verify_holds(data: &[u8]) {
    let input = Input::new(data);
    let mut rng = input.rng();
    check_text(input.body, &mut rng);
    check_explain(input.body, input.header, input.secret);
    for body in input.bodies(&mut rng) {
        let document = model::read(&body);
        check_verdict(&body, input.header, input.secret, document.as_ref());
        check_sign(&body, input.secret, document.as_ref());
        let Some((document, signed)) = document.and_then(|it| it.signed().map(|at| (it, at)))
        else {
            continue;
        };
        if !is_read(&document) {
            continue;
        }
        let canonical = model::read(&body[signed.clone()]).unwrap().canonical;
        let of_canonical = delivery::header(input.secret, canonical.as_bytes());
        let of_raw = delivery::header(input.secret, &body[signed.clone()]);
        for header in [&of_canonical, &of_raw] {
            check_verdict(&body, header.as_bytes(), input.secret, Some(&document));
        }
        let secrets = [b"another".as_slice(), input.secret];
        let second = verify(&body, Some(of_canonical.as_bytes()), &secrets).unwrap().unwrap();
        assert_eq!(second.secret_index, usize::from(input.secret != b"another"));
        // One bit may make a space of another, but never another value.
        for whole in [0..body.len(), signed] {
            let mut forged = body.clone();
            forged[rng.usize(whole)] ^= 1 << rng.u8(..8);
            let document = model::read(&forged);
            check_verdict(&forged, of_canonical.as_bytes(), input.secret, document.as_ref());
        }
        let other = rewrite(std::str::from_utf8(&body).unwrap(), &mut rng);
        let document = model::read(other.as_bytes()).unwrap();
        check_verdict(other.as_bytes(), of_canonical.as_bytes(), input.secret, Some(&document));
        verify(other.as_bytes(), Some(of_canonical.as_bytes()), &[input.secret]).unwrap().unwrap();
    }
}

/// What `unwrap` rests on: that the parts of a verified body can be read each by itself, and
/// that the keys of its files say the same however the body is spelt.
pub fn unwrap_holds(data: &[u8]) {
    let input = Input::new(data);
    let mut rng = input.rng();
    for body in input.bodies(&mut rng) {
        let Ok(header) = sign(&body, input.secret) else { continue };
        let header = Some(header.as_bytes());
        let verified = verify(&body, header, &[input.secret]).unwrap();
        let verified = verified.expect("a body that was just signed");
        let signed = verified.signed.clone();
        let result = &body[signed.clone()];
        check_text(result, &mut rng);
        let (before, behind) = (&body[..signed.start], &body[signed.end..]);
        let envelope = [before, b"null", behind].concat();
        check_text(&envelope, &mut rng);
        let event = verified.event.clone().map_or(&b"null"[..], |event| &body[event]);
        let opened = open(&body, header, &[input.secret]).unwrap().and_then(|delivery| {
            check_files(delivery.rebuilt.as_deref().unwrap_or(result))?;
            Ok(delivery)
        });
        assert_eq!(opened.is_ok(), is_delivery(result, event), "{opened:?}");
        if let Ok(Delivery { verified: again, rebuilt }) = opened {
            assert_eq!(rebuilt.is_none(), verified.matched == Matched::Raw);
            assert_eq!(rebuilt.unwrap_or(result.to_vec()), stringify(result).unwrap());
            assert_eq!(again, verified);
        }
        if !result.starts_with(b"[") {
            continue;
        }
        let document = model::read(result).unwrap();
        let Top::Array(files) = &document.top else { panic!("not an array") };
        let expected: Vec<_> =
            files.iter().map(|file| delivery::dedupe_key(&result[file.clone()])).collect();
        assert_eq!(dedupe_keys(result).unwrap(), expected);
        let other = rewrite(std::str::from_utf8(result).unwrap(), &mut rng);
        for spelling in [document.canonical.as_bytes(), other.as_bytes()] {
            assert_eq!(dedupe_keys(spelling).unwrap(), expected);
        }
    }
}

/// Whether it is a list of objects, and a string or null.
fn is_delivery(result: &[u8], event: &[u8]) -> bool {
    let Some(Document { top: Top::Array(files), .. }) = model::read(result) else { return false };
    files.iter().all(|file| result[file.start] == b'{')
        && (event.starts_with(b"\"") || event == b"null")
}

/// `explain` says that a signature holds where `verify` does, and of no other.
fn check_explain(body: &[u8], header: &[u8], secret: &[u8]) {
    // Of the whole body, which is a usual mistake.
    let whole = delivery::header(secret, body);
    for header in [header, whole.as_bytes()] {
        let secrets = [b"another".as_slice(), secret];
        let report = explain(body, Some(header), &secrets).unwrap();
        let verified = verify(body, Some(header), &secrets).unwrap();
        assert_eq!(report.reason == Reason::Valid, verified.is_ok());
        assert_eq!(report.matched, verified.ok().map(|verified| verified.matched));
    }
}

/// `sign` gives what the model gives.
fn check_sign(body: &[u8], secret: &[u8], document: Option<&Document>) {
    let ours = sign(body, secret);
    let document = document.filter(|document| is_read(document));
    match (document, document.and_then(Document::signed)) {
        (None, _) => assert!(matches!(ours, Err(SignError::MalformedBody(_))), "{ours:?}"),
        (Some(_), None) => assert_eq!(ours, Err(SignError::NoResult)),
        (Some(_), Some(signed)) => {
            let canonical = model::read(&body[signed]).unwrap().canonical;
            assert_eq!(ours, Ok(delivery::header(secret, canonical.as_bytes())));
        }
    }
}

/// `verify` says what the model says of a header, and finds what a parse of all finds.
fn check_verdict(body: &[u8], header: &[u8], secret: &[u8], document: Option<&Document>) {
    let ours = verify(body, Some(header), &[secret]).unwrap();
    let header = header.trim_ascii();
    let whole = |signed: &Range<usize>| body[signed.clone()].to_vec();
    let signed = document.and_then(Document::signed);
    let canonical = signed.as_ref().map(|at| model::read(&whole(at)).unwrap().canonical);
    let of = |message: &[u8]| delivery::header(secret, message).as_bytes() == header;
    let raw = signed.as_ref().is_some_and(|at| of(&whole(at)));
    let rebuilt = canonical.as_ref().is_some_and(|text| of(text.as_bytes()));
    if document.is_some_and(|document| !is_read(document)) {
        // Too deep to be read, but the bytes may be found without reading them.
        return assert!(ours.is_err() || raw || rebuilt);
    }
    let Ok(verified) = ours else {
        assert!(!raw && !rebuilt, "refused, but signed");
        let well_formed = header.len() == 44 && delivery::is_base64_of_32_bytes(header);
        let expected = match (document, &signed) {
            (None, _) => "malformed_body",
            (_, None) => "no_result",
            _ => "mismatch",
        };
        let reason = ours.as_ref().map_err(Refusal::reason).unwrap_err();
        assert!(!well_formed || reason == expected, "{reason}, not {expected}");
        return;
    };
    assert!(raw || rebuilt, "accepted, but not signed");
    assert_eq!(Some(&verified.signed), signed.as_ref());
    assert_eq!(verified.matched, if raw { Matched::Raw } else { Matched::Canonical });
    assert_eq!(stringify(&body[verified.signed]).unwrap(), canonical.unwrap().as_bytes());
    let event = document.and_then(|document| document.member("event"));
    let current = verified.generation == Generation::Current;
    assert_eq!(current, event.is_some());
    assert_eq!(verified.event, event);
    assert_eq!(verified.secret_index, 0);
}
