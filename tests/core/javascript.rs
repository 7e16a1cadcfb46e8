//! JSON as V8 reads and writes it.

use extracta_rs::core::javascript::{Event, MAX_DEPTH, Reader, SyntaxError};

fn read(text: &[u8]) -> Result<Vec<Event<'_>>, SyntaxError> {
    let mut reader = Reader::new(text);
    let mut events = Vec::new();
    while let Some(event) = reader.next_event()? {
        assert!(reader.start() < reader.offset());
        events.push(event);
    }
    Ok(events)
}

fn shown(text: &str) -> String {
    match read(text.as_bytes()) {
        Ok(events) => events.iter().map(show).collect::<Vec<_>>().join(" "),
        Err(error) => format!("{}: {}", error.offset, error.what),
    }
}

fn show(event: &Event<'_>) -> String {
    match event {
        Event::Null => "null".into(),
        Event::Bool(value) => value.to_string(),
        Event::Number(text) => (*text).into(),
        Event::String(text) => format!("'{}'", String::from_utf8_lossy(&text.decode())),
        Event::Key(text) => format!("{}:", String::from_utf8_lossy(&text.decode())),
        Event::StartArray => "[".into(),
        Event::EndArray => "]".into(),
        Event::StartObject => "{".into(),
        Event::EndObject => "}".into(),
    }
}

#[test]
fn events_come_in_the_order_of_the_text() {
    let text = " {\"a\" : [1,-2.5e+3, null ,true,false, {} ,[]] ,\r\n\t\"b\":\"c\"} ";
    assert_eq!(shown(text), "{ a: [ 1 -2.5e+3 null true false { } [ ] ] b: 'c' }");
    for (text, events) in [("0", "0"), ("\"\"", "''"), ("[]", "[ ]"), (" null ", "null")] {
        assert_eq!(shown(text), events);
    }
}

#[test]
fn what_v8_refuses_is_refused() {
    let refused = [
        "",
        " ",
        "[1,]",
        "{\"a\":1,}",
        "[,1]",
        "{,}",
        "[1 2]",
        "[1",
        "{\"a\"}",
        "{\"a\":}",
        "{1:2}",
        "{a:1}",
        "'a'",
        "NaN",
        "Infinity",
        "-Infinity",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x10",
        "1_0",
        "tru",
        "truex",
        "nul",
        "TRUE",
        "\u{feff}1",
        "1 2",
        "[1]]",
        "{}}",
        "]",
        "}",
        "[}",
        "{]",
        "\"\t\"",
        "\"\n\"",
        "\"\0\"",
        "\"a",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\",
        "\"\\u+123\"",
        "// a\n1",
        "/**/1",
        "undefined",
        "\u{a0}1",
        "\u{b}1",
        "[1,,2]",
        "{\"a\":1 \"b\":2}",
        "\"a\"b",
        ",",
        ":",
        "{\"a\",1}",
        "--1",
        "1.e1",
        "1.5.5",
    ];
    for text in refused {
        assert!(read(text.as_bytes()).is_err(), "accepted: {text:?}");
    }
}

#[test]
fn an_error_tells_where_and_is_given_again() {
    let mut reader = Reader::new(b"[1,x]");
    reader.next_event().unwrap();
    reader.next_event().unwrap();
    let error = SyntaxError { offset: 3, what: "expected a value" };
    assert_eq!(reader.next_event(), Err(error));
    assert_eq!(reader.next_event(), Err(error));
    assert_eq!(error.to_string(), "expected a value at byte 3");
}

#[test]
fn text_that_is_not_utf8_is_refused_where_it_breaks() {
    for (text, offset) in [
        (&b"\"a\xff\""[..], 2),
        (b"[\"\xed\xa0\x80\"]", 2),
        (b"\"\xc0\xaf\"", 1),
        (b"1\xe2\x82", 1),
    ] {
        assert_eq!(read(text), Err(SyntaxError { offset, what: "not UTF-8" }));
    }
}

#[test]
fn escapes_become_characters() {
    let decoded = |text: &'static str| match read(text.as_bytes()).unwrap()[..] {
        [Event::String(text)] => (text.plain(), text.decode().into_owned()),
        _ => panic!("not a string: {text}"),
    };
    assert_eq!(decoded(r#""abcdefghijk é""#).0, Some("abcdefghijk é"));
    assert_eq!(decoded(r#""\"\\\/\b\f\n\r\t""#), (None, b"\"\\/\x08\x0c\n\r\t".to_vec()));
    assert_eq!(decoded(r#""a\u0041\u00e9\u20AC!""#).1, "aAé€!".as_bytes());
    assert_eq!(decoded(r#""\ud83d\ude00""#).1, "😀".as_bytes());
    assert_eq!(decoded(r#""\ud83d""#).1, b"\xed\xa0\xbd");
    assert_eq!(decoded(r#""\ude00\ud83d""#).1, b"\xed\xb8\x80\xed\xa0\xbd");
    let joined = ["\u{d7ff}".as_bytes(), b"\xed\xa0\xbd", "😀x".as_bytes()].concat();
    assert_eq!(decoded(r#""\ud7ff\ud83d\ud83d\ude00x""#).1, joined);
    assert_eq!(decoded(r#""\ud83d\u0041""#).1, b"\xed\xa0\xbdA");
    assert_eq!(decoded(r#""\ud83d\n""#).1, b"\xed\xa0\xbd\n");
}

#[test]
fn each_special_byte_is_found_at_each_place() {
    for len in 0..40 {
        for at in 0..len {
            for special in ["\"", "\\", "\u{1f}", "\n", "\0"] {
                let text = format!("\"{}{special}{}\"", "é".repeat(at), "x".repeat(len - at));
                assert!(read(text.as_bytes()).is_err(), "accepted: {text:?}");
            }
            let text = format!("\"{}\\n{}\u{7f}\"", "é".repeat(at), " ".repeat(len - at));
            let decoded = text.replace("\\n", "\n");
            match read(text.as_bytes()).unwrap()[..] {
                [Event::String(text)] => {
                    assert_eq!(text.decode(), decoded.trim_matches('"').as_bytes());
                }
                _ => panic!("not a string: {text}"),
            }
        }
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(read(nested(MAX_DEPTH).as_bytes()).unwrap().len(), 2 * MAX_DEPTH);
    let error = SyntaxError { offset: MAX_DEPTH, what: "nested too deeply" };
    assert_eq!(read(nested(MAX_DEPTH + 1).as_bytes()), Err(error));
    assert_eq!(read("{\"\":".repeat(MAX_DEPTH + 1).as_bytes()).unwrap_err().what, error.what);
}

#[test]
fn every_cut_of_a_text_is_an_error() {
    let text = br#"{"a":[1.5e3,"x\u00e9\n",true,null,{"b":false}]}"#;
    for end in 0..text.len() {
        assert!(read(&text[..end]).is_err());
    }
    assert!(read(text).is_ok());
}
