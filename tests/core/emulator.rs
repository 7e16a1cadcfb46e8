//! The emulator, seen through a plain socket.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests fail the test")]

mod documented;
mod faults;
mod refusals;
mod webhooks;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use extracta_rs::emulator::{Emulator, Fault, ResultSource, Settings};
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
    ) -> Result<Option<Arc<Value>>, String> {
        match name {
            "own" => Ok(Some(Arc::new(json!({"size": content.len(), "name": template["name"]})))),
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
