//! What the service would refuse, and what nobody should send.

use std::io::Write;
use std::net::TcpStream;

use extracta_rs::emulator::Settings;
use serde_json::{Value, json};

use super::{batch, call, exchange, multipart, parse, port, request, start, template, upload};

#[test]
fn refuses_what_the_service_would_refuse() {
    let emulator = start(Settings::default());
    let id = template(&emulator);
    let batch_id = batch(&emulator, &id, &["a.pdf"]);
    let details = |details: Value| json!({"extractionDetails": details});
    let field = json!([{"key": "k"}]);
    for (status, method, path, body) in [
        (400, "POST", "createExtraction", json!({})),
        (400, "POST", "createExtraction", details(json!("x"))),
        (400, "POST", "createExtraction", details(json!({"name": "n", "language": "English"}))),
        (
            400,
            "POST",
            "createExtraction",
            details(json!({"name": 1, "language": "E", "fields": field})),
        ),
        (
            400,
            "POST",
            "createExtraction",
            details(json!({"name": "n", "language": "E", "fields": []})),
        ),
        (
            400,
            "POST",
            "createExtraction",
            details(json!({"name": "n", "language": "E", "fields": [{}]})),
        ),
        (
            400,
            "POST",
            "createExtraction",
            details(json!({"name": "n", "language": "E", "fields": [{"key": "k", "type": "int"}]})),
        ),
        (
            400,
            "POST",
            "documentClassification/createClassification",
            json!({"classificationDetails": {"name": "n"}}),
        ),
        (400, "POST", "viewExtraction", json!({})),
        (400, "POST", "viewExtraction", json!({"extractionId": 5})),
        (400, "POST", "viewExtraction", json!([])),
        (404, "POST", "viewExtraction", json!({"extractionId": "x"})),
        (404, "POST", "documentClassification/viewClassification", json!({"classificationId": id})),
        (404, "POST", "getBatchResults", json!({"extractionId": id, "batchId": "x"})),
        (
            404,
            "POST",
            "getBatchResults",
            json!({"extractionId": id, "batchId": batch_id, "fileId": "x"}),
        ),
        (400, "POST", "getBatchResults", json!({"extractionId": id})),
        (404, "DELETE", "deleteExtraction", json!({"extractionId": id, "batchId": "x"})),
        (400, "DELETE", "deleteExtraction", json!({"extractionId": id, "fileId": "x"})),
        (
            404,
            "DELETE",
            "deleteExtraction",
            json!({"extractionId": id, "batchId": batch_id, "fileId": "x"}),
        ),
        (400, "POST", "uploadFiles", json!({"extractionId": id})),
        (404, "GET", "createExtraction", json!({})),
        (404, "POST", "getBatchResult", json!({})),
        (404, "GET", "../credits", json!({})),
    ] {
        let answer = call(&emulator, method, path, &body);
        assert_eq!(answer.status, status, "{method} {path} {body}");
        assert_eq!(answer.json()["status"], "error");
        assert!(answer.json()["message"].is_string());
    }
    assert_eq!(upload(&emulator, "uploadFiles", &[("extractionId", &id)], &[]).status, 400);
    assert_eq!(upload(&emulator, "uploadFiles", &[], &["a"]).status, 400);
    let fields = [("extractionId", id.as_str()), ("batchId", "x")];
    assert_eq!(upload(&emulator, "uploadFiles", &fields, &["a"]).status, 404);
    for key in ["", "Authorization: Bearer wrong\r\n", "Authorization: test-key\r\n"] {
        let request =
            format!("GET /api/v1/credits HTTP/1.1\r\nHost: x\r\n{key}Connection: close\r\n\r\n");
        assert_eq!(parse(&exchange(&emulator, request.as_bytes())).unwrap().status, 401);
    }
    let head = request("HEAD", "credits", "application/json", b"");
    assert_eq!(parse(&exchange(&emulator, &head)).unwrap().status, 404);
}

#[test]
fn nothing_that_is_sent_breaks_it() {
    let emulator = start(Settings::default());
    let id = template(&emulator);
    let deep = "[".repeat(100_000);
    let huge = vec![b' '; 11 << 20];
    let json = "application/json";
    let form = "multipart/form-data; boundary=XX";
    let endless_head = [&b"--XX\r\nA: "[..], &vec![b'x'; 6 << 20]].concat();
    for (status, kind, path, body) in [
        (400, json, "createExtraction", &b"{"[..]),
        (400, json, "createExtraction", &b"\xff\xfe"[..]),
        (400, json, "createExtraction", &b""[..]),
        (400, json, "createExtraction", deep.as_bytes()),
        (413, json, "createExtraction", &huge),
        (400, json, "uploadFiles", &b"x"[..]),
        (400, "multipart/form-data", "uploadFiles", &b"x"[..]),
        (400, form, "uploadFiles", &b""[..]),
        (400, form, "uploadFiles", &huge),
        (400, form, "uploadFiles", &endless_head),
        (400, form, "uploadFiles", &b"--XX\r\n\r\nx"[..]),
        (400, form, "uploadFiles", &b"--XX\r\nA\r\n\r\nx\r\n--XX--"[..]),
        (400, form, "uploadFiles", &b"--XX--\r\n"[..]),
        (
            400,
            form,
            "uploadFiles",
            &multipart(&[("extractionId", &id)], &[("filename=\"\"", b"x")]),
        ),
        (404, json, "nowhere", &huge),
    ] {
        let answer = parse(&exchange(&emulator, &request("POST", path, kind, body))).unwrap();
        assert_eq!(answer.status, status, "{path} {:?}", &body[..body.len().min(20)]);
        assert_eq!(answer.json()["status"], "error");
    }
    let whole = multipart(&[("extractionId", &id)], &[("filename=\"a\"", b"x")]);
    let mut torn = request("POST", "uploadFiles", form, &whole);
    torn.truncate(torn.len() - 20);
    drop(TcpStream::connect(("127.0.0.1", port(&emulator))).unwrap().write_all(&torn));
    assert_eq!(
        exchange(&emulator, b"\x16\x03\x01\x00\r\n\r\n").get(..12),
        Some(&b"HTTP/1.1 400"[..])
    );
    assert_eq!(call(&emulator, "GET", "credits", &json!({})).json()["credits"], 100_000);
    let last = emulator.requests().into_iter().rev().find(|r| r.path == "/uploadFiles").unwrap();
    assert!(!last.carried_out && last.status.is_none());
}
