//! Faults to order.

use std::time::{Duration, Instant};

use extracta_rs::emulator::{Cut, Fault, Settings};
use serde_json::{Value, json};

use super::{batch, exchange, parse, poll, request, start, template};

#[test]
fn faults_strike_as_ordered() {
    let emulator = start(Settings::default());
    let id = template(&emulator);
    let batch_id = batch(&emulator, &id, &["a.pdf"]);
    let fault = |fault: Fault| {
        emulator.faults().add(Fault { endpoint: "getBatchResults".into(), ..fault }).unwrap();
        let request = json!({"extractionId": id, "batchId": batch_id}).to_string();
        let request = request_bytes(&request);
        let answer = exchange(&emulator, &request);
        (parse(&answer), emulator.requests().pop().unwrap())
    };
    let once = || Fault { times: Some(1), ..Fault::default() };
    let (answer, recorded) =
        fault(Fault { status: Some(429), retry_after: Some("7".into()), ..once() });
    let answer = answer.unwrap();
    assert_eq!((answer.status, recorded.status, recorded.carried_out), (429, Some(429), false));
    assert!(answer.head.contains("retry-after: 7"));
    assert_eq!(answer.json()["status"], "error");
    for (cut, carried_out) in [(Cut::Before, false), (Cut::After, true)] {
        let (answer, recorded) = fault(Fault { cut: Some(cut), ..once() });
        assert!(answer.is_none());
        assert_eq!((recorded.status, recorded.carried_out), (None, carried_out));
    }
    let (answer, recorded) = fault(Fault { cut: Some(Cut::Mid), ..once() });
    let answer = answer.unwrap();
    assert!(!answer.body.is_empty() && recorded.carried_out);
    let announced = answer.head.split("content-length: ").nth(1).unwrap();
    let announced: usize = announced.lines().next().unwrap().parse().unwrap();
    assert_eq!(answer.body.len(), announced / 2);
    let (answer, _) = fault(Fault { malformed: true, ..once() });
    assert!(serde_json::from_slice::<Value>(&answer.unwrap().body).is_err());
    let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
    let (answer, _) = fault(Fault {
        body: Some("<p>".into()),
        headers,
        status: Some(502),
        carry_out: Some(true),
        ..once()
    });
    let answer = answer.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (502, &b"<p>"[..]));
    assert!(answer.head.contains("content-type: text/html"));
    let (answer, _) = fault(Fault { status: Some(204), ..once() });
    assert_eq!(answer.unwrap().status, 204);
    for slow in [
        Fault { delay: Duration::from_millis(200), ..once() },
        Fault { slow_body: Duration::from_millis(200), ..once() },
    ] {
        let began = Instant::now();
        assert!(fault(slow).0.unwrap().json()["files"].is_array());
        assert!(began.elapsed() >= Duration::from_millis(200));
    }
    assert_eq!(emulator.faults().pending(), 0);
}

fn request_bytes(body: &str) -> Vec<u8> {
    request("POST", "getBatchResults", "application/json", body.as_bytes())
}

#[test]
fn faults_count_and_choose() {
    let emulator = start(Settings::default());
    let id = template(&emulator);
    let (one, two) = (batch(&emulator, &id, &["a"]), batch(&emulator, &id, &["a"]));
    let fault = Fault {
        endpoint: "/getBatchResults".into(),
        batch_id: Some(two.clone()),
        times: Some(2),
        status: Some(500),
        ..Fault::default()
    };
    emulator.faults().add(fault).unwrap();
    emulator
        .faults()
        .add(Fault { endpoint: "*".into(), status: Some(503), ..Fault::default() })
        .unwrap();
    assert_eq!(emulator.faults().pending(), 3);
    let status = |batch_id: &str| poll(&emulator, &id, batch_id).status;
    assert_eq!([status(&one), status(&two), status(&two), status(&two)], [503, 500, 500, 503]);
    emulator.faults().clear();
    assert_eq!(status(&two), 200);
    let bad = |fault: Fault| emulator.faults().add(fault).unwrap_err();
    bad(Fault { endpoint: "nowhere".into(), status: Some(500), ..Fault::default() });
    bad(Fault { endpoint: "*".into(), ..Fault::default() });
    bad(Fault { endpoint: "*".into(), status: Some(100), ..Fault::default() });
    bad(Fault { endpoint: "*".into(), retry_after: Some("\n".into()), ..Fault::default() });
    let headers = vec![("Content-Length".to_owned(), "1".to_owned())];
    bad(Fault { endpoint: "*".into(), headers, ..Fault::default() });
}
