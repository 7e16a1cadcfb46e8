//! The pure decisions: what may be repeated, when a batch is finished, when to ask again.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use extracta_rs::core::error::{Call, Error};
use extracta_rs::core::model::{BatchAnswer, BatchKey, Kind, Target};
use extracta_rs::core::poll::Options;
use extracta_rs::core::poll::decide::{Outcome, Watch};
use extracta_rs::core::retry::{Repeat, delay, is_transient, parse_retry_after, surely_refused};
use tokio::time::Instant;

const CALL: Call = Call { method: "POST", path: "/uploadFiles" };

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn status(status: u16, retry_after: Option<f64>) -> Error {
    Error::Status {
        call: CALL,
        status,
        message: String::new(),
        body: String::new(),
        retry_after: retry_after.map(seconds),
    }
}

fn broken(sent: bool) -> Error {
    Error::Connection { call: CALL, sent, detail: "reset".to_owned() }
}

fn timed_out(sent: bool) -> Error {
    Error::Timeout { call: CALL, missing: "answer", sent, limit: seconds(1.0) }
}

fn malformed() -> Error {
    Error::Format { call: CALL, status: 200, reason: String::new(), body: String::new() }
}

fn key() -> BatchKey {
    BatchKey::new(Target::new(Kind::Extraction, "-Oe").unwrap(), "-Ob").unwrap()
}

fn finished(json: &'static str) -> bool {
    BatchAnswer::parse(key(), Bytes::from_static(json.as_bytes())).unwrap().finished
}

#[test]
fn what_was_perhaps_carried_out_is_not_repeated() {
    let refused = [broken(false), timed_out(false), status(429, None), status(503, Some(1.0))];
    let unknown = [
        broken(true),
        timed_out(true),
        status(500, None),
        status(502, Some(1.0)),
        status(503, None),
    ];
    for error in refused {
        assert!(surely_refused(&error), "{error}");
        assert!(delay(&error, Repeat::OnlyIfRefused, 0, 0.5).is_some(), "{error}");
    }
    for error in unknown {
        assert!(!surely_refused(&error), "{error}");
        assert!(delay(&error, Repeat::OnlyIfRefused, 0, 0.5).is_none(), "{error}");
        assert!(delay(&error, Repeat::Harmless, 0, 0.5).is_some(), "{error}");
    }
    assert!(!surely_refused(&malformed()) && !surely_refused(&status(408, None)));
}

#[test]
fn what_cannot_get_better_is_not_repeated() {
    for code in [400, 401, 403, 404, 413, 422] {
        assert!(surely_refused(&status(code, None)) && !is_transient(&status(code, None)));
        assert_eq!(delay(&status(code, None), Repeat::Harmless, 0, 0.5), None);
    }
    assert_eq!(delay(&malformed(), Repeat::Harmless, 0, 0.5), None);
}

#[test]
fn delays_grow_to_a_cap_and_respect_retry_after() {
    let at = |attempt, chance| delay(&status(500, None), Repeat::Harmless, attempt, chance);
    assert_eq!(at(0, 0.0), Some(seconds(0.25)));
    assert_eq!(at(0, 1.0), Some(seconds(0.5)));
    assert_eq!(at(2, 1.0), Some(seconds(2.0)));
    assert_eq!(at(u32::MAX, 1.0), Some(seconds(8.0)));
    let asked = |wait| delay(&status(429, Some(wait)), Repeat::OnlyIfRefused, 0, 1.0);
    assert_eq!(asked(7.0), Some(seconds(7.0)));
    assert_eq!(asked(0.0), Some(seconds(0.5)));
    assert_eq!(asked(61.0), None, "handed to the caller instead of slept through");
}

#[test]
fn retry_after_is_seconds_or_a_date_and_never_absurd() {
    let now = SystemTime::UNIX_EPOCH + seconds(784_111_777.0);
    assert_eq!(parse_retry_after("120", now), Some(seconds(120.0)));
    assert_eq!(parse_retry_after(" 1.5 ", now), Some(seconds(1.5)));
    assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now), Some(seconds(10.0)));
    assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:49:27 GMT", now), Some(Duration::ZERO));
    let year = Some(seconds(365.0 * 86_400.0));
    for absurd in ["1e300", "inf", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        assert_eq!(parse_retry_after(absurd, now), year, "{absurd}");
    }
    for wrong in ["-1", "NaN", "soon", "", "Sun, 99 Nov 1994"] {
        assert_eq!(parse_retry_after(wrong, now), None, "{wrong}");
    }
}

#[test]
fn a_batch_is_finished_when_every_file_is() {
    assert!(finished(r#"{"files":[{"status":"processed"},{"status":"failed","error":"x"}]}"#));
    assert!(finished(r#"{"status":"processed","files":[{"status":"processed"}]}"#));
    assert!(finished(r#"{"status":"finished","files":[]}"#));
    assert!(finished(r#"{"status":"processed","files":[{"result":{}}]}"#));
    assert!(finished(r#"{"files":[{"result":{"a":1}}]}"#));
    assert!(finished(r#"{"status":"completed","files":[{"status":"processed"}]}"#));
    assert!(!finished(r#"{"status":"waiting"}"#));
    assert!(!finished(r#"{"status":"waiting","files":[{"status":"processed"}]}"#));
    assert!(!finished(r#"{"files":[{"status":"processed"},{"status":"processing"}]}"#));
    assert!(!finished(r#"{"status":"processed","files":[{"status":"archived"}]}"#));
    assert!(!finished(r#"{"status":"error"}"#));
    assert!(!finished(r#"{"files":[]}"#));
    assert!(!finished(r#"{"files":[{"fileId":"a"}]}"#));
}

#[test]
fn unknown_statuses_are_named_and_wrong_shapes_refused() {
    let json = br#"{"status":"queued","files":[{"status":"odd"},{"status":"processed"}]}"#;
    let answer = BatchAnswer::parse(key(), Bytes::from_static(json)).unwrap();
    assert_eq!(answer.unknown_statuses.iter().collect::<Vec<_>>(), ["odd", "queued"]);
    for wrong in
        ["", "[]", "3", "{}", r#"{"files":{}}"#, r#"{"files":[1]}"#, r#"{"status":1}"#, "{"]
    {
        assert!(BatchAnswer::parse(key(), Bytes::from(wrong)).is_err(), "{wrong}");
    }
    assert!(BatchAnswer::parse(key(), Bytes::from_static(b"{\"status\":\"\xff\"}")).is_err());
}

#[test]
fn tokens_round_trip_and_refuse_nonsense() {
    let token = key().token();
    assert_eq!(BatchKey::from_token(&token).unwrap(), key());
    assert!(!token.contains("null") && token.len() < 80, "{token}");
    let newer = token.replace("\"v\":1", "\"v\":2");
    assert!(BatchKey::from_token(&newer).unwrap_err().to_string().contains("upgrade"));
    for wrong in
        ["", "{}", "[]", "-Oabc", &token.replace("-Ob", " "), &token.replace("extraction", "x")]
    {
        assert!(BatchKey::from_token(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn intervals_grow_to_the_cap_and_are_never_shortened() {
    let now = Instant::now();
    let mut watch = Watch::new(Options::default(), now);
    let after = |at: Instant| at.duration_since(now).as_secs_f64();
    assert!((after(watch.first(now, 0.0)) - 2.0).abs() < 1e-9);
    assert!((after(watch.first(now, 1.0)) - 2.2).abs() < 1e-9);
    for expected in [3.0, 4.5, 6.75, 10.125, 15.0, 15.0] {
        let next = watch.after(&Outcome::Running, now, 0.0).unwrap();
        assert!((after(next) - expected).abs() < 1e-9, "{expected}");
    }
}

#[test]
fn retry_after_is_a_floor_and_the_deadline_gets_a_last_look() {
    let now = Instant::now();
    let options = Options { timeout: Some(seconds(10.0)), ..Options::default() };
    let mut watch = Watch::new(options, now);
    let next = watch.after(&Outcome::Failed(&status(429, Some(60.0))), now, 0.0);
    assert_eq!(next, Some(now + seconds(60.0)));
    let late = now + seconds(8.5);
    assert_eq!(watch.after(&Outcome::Running, late, 0.0), Some(now + seconds(9.0)));
    let later = now + seconds(9.5);
    assert!(watch.after(&Outcome::Running, later, 0.0) > watch.deadline());
}

#[test]
fn only_what_no_poll_can_change_ends_a_wait() {
    let now = Instant::now();
    let mut watch = Watch::new(Options::default(), now);
    for error in [broken(true), broken(false), timed_out(true), malformed()] {
        assert!(watch.after(&Outcome::Failed(&error), now, 0.5).is_some(), "{error}");
    }
    for code in [408, 425, 429, 500, 502, 503, 504] {
        assert!(watch.after(&Outcome::Failed(&status(code, None)), now, 0.5).is_some(), "{code}");
    }
    for code in [400, 401, 403, 404, 422] {
        assert!(watch.after(&Outcome::Failed(&status(code, None)), now, 0.5).is_none(), "{code}");
    }
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for backoff in [0.9, f64::NAN, f64::INFINITY, -1.0] {
        assert!(Options { backoff, ..Options::default() }.check().is_err(), "{backoff}");
    }
    assert!(Options { poll_interval: seconds(20.0), ..Options::default() }.check().is_err());
    assert!(Options { timeout: Some(Duration::MAX), ..Options::default() }.check().is_ok());
    let endless = Options { timeout: Some(Duration::MAX), ..Options::default() };
    assert_eq!(Watch::new(endless, Instant::now()).deadline(), None);
}
