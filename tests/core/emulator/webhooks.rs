//! Announcements of finished batches.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use extracta_rs::emulator::Settings;
use serde_json::{Value, json};

use super::{batch, call, poll, start, template, upload};

/// Answers each connection with the next status, the last one for ever.
fn receiver(statuses: &'static [u16]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut seen = Vec::new();
            let mut chunk = [0; 4096];
            while !seen.ends_with(b"]}") {
                let count = stream.read(&mut chunk).unwrap();
                seen.extend_from_slice(&chunk[..count]);
            }
            let status = statuses[number.min(statuses.len() - 1)];
            let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        }
    });
    url
}

#[test]
fn finished_batches_are_announced_and_failed_deliveries_repeated() {
    let emulator = start(Settings {
        webhook_url: Some(receiver(&[500, 200])),
        fail_files: vec!["bad".to_owned()],
        ..Settings::default()
    });
    let id = template(&emulator);
    let batch_id = batch(&emulator, &id, &["a", "bad"]);
    assert!(emulator.wait_for_deliveries(2, Duration::from_secs(10)));
    let deliveries = emulator.deliveries();
    let seen: Vec<_> = deliveries.iter().map(|d| (d.attempt, d.status)).collect();
    assert_eq!(seen, [(1, Some(500)), (2, Some(200))]);
    assert!(deliveries.iter().all(|delivery| delivery.batch_id == batch_id));
    let body: Value = serde_json::from_slice(&deliveries[0].body).unwrap();
    assert_eq!(body["event"], "extraction.processed");
    assert_eq!(body["result"][0]["extractionId"], id.as_str());
    assert_eq!(body["result"][1]["batchId"], batch_id.as_str());
    batch(&emulator, &id, &["bad"]);
    assert!(emulator.wait_for_deliveries(3, Duration::from_secs(10)));
    assert_eq!(emulator.deliveries()[2].event, "extraction.failed");
}

#[test]
fn with_polls_a_batch_is_announced_after_the_last_of_them() {
    let emulator = start(Settings {
        webhook_url: Some(receiver(&[200])),
        polls_until_finished: 2,
        legacy_webhook: true,
        ..Settings::default()
    });
    let id = template(&emulator);
    let batch_id = batch(&emulator, &id, &["a"]);
    poll(&emulator, &id, &batch_id);
    assert!(!emulator.wait_for_deliveries(1, Duration::from_millis(100)));
    poll(&emulator, &id, &batch_id);
    assert!(emulator.wait_for_deliveries(1, Duration::from_secs(10)));
    poll(&emulator, &id, &batch_id);
    assert!(!emulator.wait_for_deliveries(2, Duration::from_millis(100)));
    assert!(emulator.deliveries()[0].body.starts_with(b"{\"result\":[{"));
}

#[test]
fn a_classification_links_to_a_batch_that_can_be_polled() {
    let emulator = start(Settings { webhook_url: Some(receiver(&[200])), ..Settings::default() });
    let id = template(&emulator);
    let types = json!([
        {"name": "letter", "uniqueWords": ["Dear"]},
        {"name": "invoice", "uniqueWords": ["total DUE"], "extractionId": id},
    ]);
    let body = json!({"classificationDetails": {"name": "n", "documentTypes": types}});
    let answer = call(&emulator, "POST", "documentClassification/createClassification", &body);
    let classification = answer.json()["classificationId"].as_str().unwrap().to_owned();
    let fields = [("classificationId", classification.as_str())];
    let answer = upload(&emulator, "documentClassification/uploadFiles", &fields, &["a"]).json();
    let body = json!({"classificationId": classification, "batchId": answer["batchId"]});
    let answer = call(&emulator, "POST", "documentClassification/getResults", &body).json();
    let file = &answer["files"][0];
    assert_eq!(file["result"]["documentType"], "invoice");
    assert_eq!(file["extraction"]["extractionId"], id.as_str());
    let linked = poll(&emulator, &id, file["extraction"]["batchId"].as_str().unwrap()).json();
    assert_eq!(linked["files"][0]["fileId"], file["extraction"]["fileId"]);
    assert!(emulator.wait_for_deliveries(2, Duration::from_secs(10)));
    let mut events: Vec<_> = emulator.deliveries().into_iter().map(|d| d.event).collect();
    events.sort();
    assert_eq!(events, ["classification.processed", "extraction.processed"]);
}
