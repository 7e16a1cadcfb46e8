//! The emulator, seen through a plain socket.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use extracta_rs::emulator::{Cut, Emulator, Fault, ResultSource, Settings};
use serde_json::{Value, json};

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn port(emulator: &Emulator) -> u16 {
    let url = emulator.base_url();
    url.split([':', '/']).nth(4).unwrap().parse().unwrap()
}

/// Sends bytes and reads what comes until the connection ends.
fn exchange(emulator: &Emulator, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port(emulator))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: answer[end + 4..].to_vec() })
}

fn request(method: &str, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "{method} /api/v1/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer test-key\r\n\
         Connection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

fn call(emulator: &Emulator, method: &str, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let request = request(method, path, "application/json", body.as_bytes());
    parse(&exchange(emulator, &request)).expect("no answer")
}

fn multipart(fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head =
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(head.as_bytes());
    }
    for (disposition, content) in files {
        let head = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"files\"; {disposition}\r\n\
             Content-Type: application/pdf\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--\r\n");
    body
}

fn upload(emulator: &Emulator, path: &str, fields: &[(&str, &str)], names: &[&str]) -> Answer {
    let dispositions: Vec<String> = names.iter().map(|n| format!("filename=\"{n}\"")).collect();
    let files: Vec<(&str, &[u8])> =
        dispositions.iter().map(|d| (d.as_str(), &b"Total due: 3"[..])).collect();
    let body = multipart(fields, &files);
    let request = request("POST", path, "multipart/form-data; boundary=XX", &body);
    parse(&exchange(emulator, &request)).expect("no answer")
}

fn template(emulator: &Emulator) -> String {
    let details = json!({"name": "n", "language": "English", "fields": [{"key": "total"}]});
    let body = json!({"extractionDetails": details});
    let answer = call(emulator, "POST", "createExtraction", &body);
    assert_eq!(answer.status, 200);
    answer.json()["extractionId"].as_str().unwrap().to_owned()
}

fn batch(emulator: &Emulator, id: &str, names: &[&str]) -> String {
    let answer = upload(emulator, "uploadFiles", &[("extractionId", id)], names);
    assert_eq!(answer.status, 200);
    answer.json()["batchId"].as_str().unwrap().to_owned()
}

fn poll(emulator: &Emulator, id: &str, batch_id: &str) -> Answer {
    let body = json!({"extractionId": id, "batchId": batch_id});
    call(emulator, "POST", "getBatchResults", &body)
}

fn start(settings: Settings) -> Emulator {
    Emulator::start(settings).unwrap()
}

fn substituted(value: &Value, ids: &HashMap<String, String>) -> Value {
    match value {
        Value::String(text) => {
            let id = text.strip_prefix('$').and_then(|name| ids.get(name));
            json!(id.unwrap_or(text))
        }
        Value::Array(items) => items.iter().map(|item| substituted(item, ids)).collect(),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| (key.clone(), substituted(value, ids)));
            Value::Object(pairs.collect())
        }
        other => other.clone(),
    }
}

/// Checks a value against a documented shape; see the head of `answers.json`.
fn check(place: &str, shape: &Value, value: &Value, ids: &HashMap<String, String>) {
    match shape {
        Value::String(kind) => match kind.strip_prefix('=') {
            Some(exact) => assert_eq!(&substituted(&json!(exact), ids), value, "{place}"),
            None => {
                let found = match value {
                    Value::String(_) => "string",
                    Value::Number(_) => "number",
                    Value::Bool(_) => "boolean",
                    _ => "other",
                };
                assert_eq!(kind, found, "{place}");
            }
        },
        Value::Array(items) => {
            let values = value.as_array().unwrap_or_else(|| panic!("{place}: no list"));
            assert!(!values.is_empty(), "{place}: empty");
            for value in values {
                check(&format!("{place}[]"), &items[0], value, ids);
            }
        }
        Value::Object(map) => {
            let values = value.as_object().unwrap_or_else(|| panic!("{place}: no object"));
            let mut known = Vec::new();
            for (key, shape) in map {
                let bare = substituted(&json!(key.trim_end_matches('?')), ids);
                let bare = bare.as_str().unwrap();
                known.push(bare.to_owned());
                match values.get(bare) {
                    Some(value) => check(&format!("{place}.{bare}"), shape, value, ids),
                    None => assert!(key.ends_with('?'), "{place}.{bare} is missing"),
                }
            }
            for key in values.keys() {
                assert!(known.contains(key), "{place}.{key} is not documented");
            }
        }
        _ => panic!("{place}: bad shape"),
    }
}

#[test]
fn every_endpoint_answers_as_documented() {
    let emulator = start(Settings { polls_until_finished: 1, ..Settings::default() });
    let script: Value = serde_json::from_str(include_str!("../vectors/answers.json")).unwrap();
    let mut ids = HashMap::new();
    for entry in script["calls"].as_array().unwrap() {
        let endpoint = entry["endpoint"].as_str().unwrap();
        let answer = if let Some(parts) = entry["parts"].as_object() {
            let parts = substituted(&Value::Object(parts.clone()), &ids);
            let fields = parts.as_object().unwrap();
            let fields: Vec<_> =
                fields.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect();
            let names: Vec<_> =
                entry["files"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
            upload(&emulator, endpoint, &fields, &names)
        } else {
            let body = substituted(&entry["request"], &ids);
            call(&emulator, entry["method"].as_str().unwrap(), endpoint, &body)
        };
        let body = answer.json();
        assert_eq!(answer.status, 200, "{endpoint}: {body}");
        check(endpoint, &entry["answer"], &body, &ids);
        for (key, value) in body.as_object().unwrap() {
            if let (true, Some(id)) = (key.ends_with("Id"), value.as_str()) {
                ids.entry(key.clone()).insert_entry(id.to_owned());
            }
        }
        if let Some(id) = body["files"][0]["fileId"].as_str() {
            ids.insert("fileId".to_owned(), id.to_owned());
        }
    }
    assert!(emulator.requests().iter().all(|request| request.carried_out));
}

#[test]
fn ids_and_results_follow_the_seed() {
    let run = |seed| {
        let emulator = start(Settings { seed, ..Settings::default() });
        let id = template(&emulator);
        let batch_id = batch(&emulator, &id, &["a.pdf"]);
        poll(&emulator, &id, &batch_id).json()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
    assert!(run(3)["batchId"].as_str().unwrap().starts_with("-O"));
}

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

#[test]
fn large_files_are_hashed_and_counted_not_kept() {
    let emulator = start(Settings::default());
    let id = template(&emulator);
    let content = vec![b'-'; 3 << 20];
    let name = "filename=\"x\"; filename*=UTF-8''%C3%A9%22%0A.pdf";
    let body =
        multipart(&[("extractionId", &id)], &[(name, &content), ("filename=\"q%22.pdf\"", b"")]);
    let request = request("POST", "uploadFiles", "multipart/form-data; boundary=\"XX\"", &body);
    let answer = parse(&exchange(&emulator, &request)).unwrap().json();
    assert_eq!(answer["files"][0]["fileName"], "é\"\n.pdf");
    assert_eq!(answer["files"][1]["fileName"], "q\".pdf");
    let recorded = emulator.requests().pop().unwrap();
    assert_eq!(recorded.parts.len(), 3);
    assert_eq!(recorded.parts[1].size, 3 << 20);
    assert_eq!(recorded.parts[1].content_type.as_deref(), Some("application/pdf"));
    assert!(recorded.parts[1].content_disposition.contains("filename*=UTF-8''%C3%A9"));
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(recorded.parts[2].sha256, empty);
    assert_eq!(recorded.batch_id.as_deref(), answer["batchId"].as_str());
    assert_eq!(recorded.file_ids.len(), 2);
    assert_eq!(recorded.extraction_id, Some(id));
}

#[test]
fn a_batch_waits_for_its_time_and_its_polls() {
    let emulator = start(Settings {
        polls_until_finished: 2,
        processing_time: Duration::from_millis(150),
        fail_files: vec!["bad.pdf".to_owned()],
        ..Settings::default()
    });
    let id = template(&emulator);
    let began = Instant::now();
    let batch_id = batch(&emulator, &id, &["a.pdf", "bad.pdf"]);
    let wait = |polls: usize| {
        let mut waited = 0;
        loop {
            let answer = poll(&emulator, &id, &batch_id).json();
            if answer.get("files").is_some() {
                assert!(waited >= polls);
                return answer;
            }
            assert_eq!(answer, json!({"status": "waiting"}));
            waited += 1;
            std::thread::sleep(Duration::from_millis(if waited < 2 { 0 } else { 20 }));
        }
    };
    let answer = wait(3);
    assert!(began.elapsed() >= Duration::from_millis(150));
    assert_eq!(answer["files"][0]["status"], "processed");
    assert_eq!(answer["files"][1]["status"], "failed");
    assert!(answer["files"][1]["error"].is_string());
    let fields = [("extractionId", id.as_str()), ("batchId", batch_id.as_str())];
    assert_eq!(upload(&emulator, "uploadFiles", &fields, &["c.pdf"]).status, 200);
    assert_eq!(wait(2)["files"].as_array().unwrap().len(), 3);
}

struct Odd;

impl ResultSource for Odd {
    fn result(
        &self,
        name: &str,
        content: &[u8],
        template: &Value,
    ) -> Result<Option<Value>, String> {
        match name {
            "own" => Ok(Some(json!({"size": content.len(), "name": template["name"]}))),
            "error" => Err("no luck".to_owned()),
            "panic" => panic!("on purpose"),
            _ => Ok(None),
        }
    }
}

#[test]
fn a_source_of_results_is_asked_once_for_each_file() {
    let emulator = start(Settings { results: Some(Arc::new(Odd)), ..Settings::default() });
    let id = template(&emulator);
    let answer = poll(&emulator, &id, &batch(&emulator, &id, &["own", "error", "x"])).json();
    assert_eq!(answer["files"][0]["result"], json!({"size": 12, "name": "n"}));
    assert_eq!(answer["files"][1]["error"], "no luck");
    assert_eq!(answer["files"][2]["status"], "processed");
    let answer = poll(&emulator, &id, &batch(&emulator, &id, &["panic"])).json();
    assert_eq!(answer["files"][0]["status"], "failed");
}

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

#[test]
fn stopping_is_quick_final_and_possible_anywhere() {
    let emulator = start(Settings::default());
    let fault = Fault { endpoint: "*".into(), delay: Duration::from_secs(60), ..Fault::default() };
    emulator.faults().add(fault).unwrap();
    let mut waiting = TcpStream::connect(("127.0.0.1", port(&emulator))).unwrap();
    waiting.write_all(&request("GET", "credits", "x/y", b"")).unwrap();
    while emulator.requests().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let began = Instant::now();
    emulator.stop();
    emulator.stop();
    assert!(began.elapsed() < Duration::from_millis(1500));
    assert!(emulator.is_stopped());
    assert!(TcpStream::connect(("127.0.0.1", port(&emulator))).is_err());
    assert!(!emulator.wait_for_deliveries(1, Duration::from_secs(60)));
    drop(start(Settings::default()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        start(Settings::default()).stop();
        drop(start(Settings::default()));
    });
    let bad = |settings| assert!(Emulator::start(settings).is_err());
    bad(Settings { webhook_url: Some("https://x".into()), ..Settings::default() });
    bad(Settings { webhook_url: Some("no url".into()), ..Settings::default() });
    let empty = "E_AI_K_".to_owned();
    bad(Settings {
        webhook_url: Some("http://x".into()),
        webhook_secret: empty,
        ..Settings::default()
    });
}
